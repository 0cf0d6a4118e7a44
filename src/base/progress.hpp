#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace gyre {

/// Progress of long work on stderr: a bar on a terminal, a plain line every few seconds in a pipe.
class Progress {
 public:
  /// `unit` names what is counted ("tok", "windows"); rates are shown as unit/s.
  Progress(std::string title, std::int64_t total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Reports `done` of `total`; `note` stands behind the rate ("loss 1.62"). Work done before the first call (a resumed
  /// run) does not count in the rate.
  void update(std::int64_t done, std::string_view note = {});
  /// For work whose size shows only once it has begun.
  void set_total(std::int64_t total) { total_ = total; }
  /// Removes the bar so that other lines can be printed.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  std::string title_;
  std::int64_t total_;
  std::string unit_;
  bool terminal_;
  std::int64_t first_ = -1;
  Clock::time_point start_;
  Clock::time_point last_shown_;
  bool shown_ = false;
};

/// "1 h 02 min", "3 min 05 s", "12 s".
std::string describe_duration(double seconds);

}  // namespace gyre
