#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/stop.hpp"
#include "hub/http.hpp"

namespace gyre {

/// How often and after what waits a request is made again.
struct RetryPolicy {
  int attempts = 6;                                ///< in a row without progress
  std::chrono::milliseconds first_wait{500};       ///< doubled after each failure
  std::chrono::milliseconds longest_wait{120000};  ///< the most, also when the server asks for more
  Stop stop = {};                                  ///< ends waits and transfers with an Error
};

/// Told before each wait, in one line.
using Notice = std::function<void(const std::string&)>;

/// Counts the failures of one request and waits between them.
class Retries {
 public:
  Retries(const RetryPolicy& policy, const Notice& notice) : policy_(policy), notice_(notice) {}

  /// Work went forward: earlier failures no longer count.
  void progressed() { failures_ = 0; }

  /// Waits for as long as the server asked or the policy says. Throws Error once the attempts are used up, or when a
  /// stop is requested.
  void wait_after(const TransientFailure& failure);

 private:
  const RetryPolicy& policy_;
  const Notice& notice_;
  int failures_ = 0;
};

}  // namespace gyre
