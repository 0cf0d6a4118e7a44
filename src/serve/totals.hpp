#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/flight.hpp"

namespace gyre::serve {

/// What tokens did in a looped group.
struct GroupTotals {
  std::uint64_t run = 0;                                         ///< loops
  std::uint64_t saved = 0;                                       ///< loops that exits left out
  std::map<std::string, std::uint64_t, std::less<>> exits = {};  ///< tokens by the reason why they left
};

/// How often values fell where.
class Histogram {
 public:
  /// `bounds` rise.
  explicit Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

  struct Counts {
    std::vector<std::uint64_t> up_to;  ///< values up to each bound, and all of them
    double sum = 0;
  };

  void add(double value) {
    const auto bound = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
    const std::lock_guard lock(mutex_);
    ++counts_[static_cast<std::size_t>(bound)];
    sum_ += value;
  }
  [[nodiscard]] const std::vector<double>& bounds() const { return bounds_; }
  [[nodiscard]] Counts counts() const {
    const std::lock_guard lock(mutex_);
    Counts counts{counts_, sum_};
    std::partial_sum(counts.up_to.begin(), counts.up_to.end(), counts.up_to.begin());
    return counts;
  }

 private:
  std::vector<double> bounds_;
  mutable std::mutex mutex_;
  std::vector<std::uint64_t> counts_;
  double sum_ = 0;
};

/// What has been done so far. Any thread may count and read.
class Totals {
 public:
  std::atomic<std::uint64_t> requests = 0;
  std::atomic<std::uint64_t> refused = 0;    ///< for want of room in the queue
  std::atomic<std::uint64_t> cancelled = 0;  ///< whose client went away
  std::atomic<std::uint64_t> failed = 0;
  std::atomic<std::uint64_t> prompt_tokens = 0;  ///< that were run
  std::atomic<std::uint64_t> cached_tokens = 0;  ///< that need not be run
  std::atomic<std::uint64_t> tokens = 0;         ///< generated
  std::atomic<std::uint64_t> steps = 0;          ///< one loop of one group each
  std::atomic<std::uint64_t> layer_passes = 0;
  std::atomic<std::uint64_t> layer_rows = 0;  ///< tokens that took part in them, summed

  std::atomic<std::uint64_t> stopped = 0;  ///< texts that ended by themselves
  std::atomic<std::uint64_t> cut = 0;      ///< that ran out of tokens or of context

  // Seconds, of texts.
  Histogram first_token{
      {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
       1,     2.5,   5,    7.5,  10,   20,   40,   80,  160,  640}};  ///< from the request to its first token
  Histogram token_time{{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1,
                        0.15,   0.2,     0.3,    0.4,   0.5,    0.75,  1,    2.5,   5,    10}};  ///< between two tokens
  Histogram text_time{
      {0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960}};
  Histogram prompt_time{{0.001, 0.005, 0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60}};
  Histogram decode_time{{0.001, 0.005, 0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60}};
  // Tokens.
  Histogram prompt_length{{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10'000, 20'000, 50'000, 100'000}};
  Histogram text_length{{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10'000, 20'000, 50'000, 100'000}};
  Histogram loop_width{{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512}};  ///< that ran a loop together

  /// A token of `model` was chosen at that depth, of so many loops a group.
  void count_depth(const std::string& model, const TokenDepth& depth, const std::vector<int>& loops) {
    const std::lock_guard lock(mutex_);
    std::vector<GroupTotals>& groups = groups_[model];
    groups.resize(loops.size());
    for (std::size_t g = 0; g < loops.size(); ++g) {
      if (loops[g] < 2) continue;
      groups[g].run += static_cast<std::uint64_t>(depth.loops[g]);
      groups[g].saved += static_cast<std::uint64_t>(loops[g] - depth.loops[g]);
      ++groups[g].exits[std::string(depth.reasons[g])];
    }
  }
  /// By model; groups that do not loop are empty.
  [[nodiscard]] std::map<std::string, std::vector<GroupTotals>> groups() const {
    const std::lock_guard lock(mutex_);
    return groups_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<GroupTotals>> groups_;
};

}  // namespace gyre::serve
