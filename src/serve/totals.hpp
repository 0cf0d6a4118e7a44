#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/flight.hpp"

namespace gyre::serve {

/// What tokens did in a looped group.
struct GroupTotals {
  std::uint64_t run = 0;                                         ///< loops
  std::uint64_t saved = 0;                                       ///< loops that exits left out
  std::map<std::string, std::uint64_t, std::less<>> exits = {};  ///< tokens by the reason why they left
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
