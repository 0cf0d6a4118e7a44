#pragma once

#include <atomic>
#include <functional>

#include "base/error.hpp"

namespace gyre {

/// Long work ended because it is no longer wanted.
class Interrupted : public Error {
 public:
  using Error::Error;
};

/// What long work looks at between its steps: whether it is still wanted. Whoever starts the work hands it in, and sets
/// the flag behind it from another thread or a signal handler, or answers when it is asked. By itself it never asks to
/// stop.
class Stop {
 public:
  Stop() = default;
  /// `flag` outlives all copies.
  explicit Stop(const std::atomic<bool>& flag) : flag_(&flag) {}
  /// The same of both; a null flag or an empty function never asks. What `asked` throws ends the work too.
  Stop(const std::atomic<bool>* flag, const std::function<bool()>& asked)
      : flag_(flag), asked_(asked ? &asked : nullptr) {}

  [[nodiscard]] bool requested() const {
    return (flag_ != nullptr && flag_->load(std::memory_order_relaxed)) || (asked_ != nullptr && (*asked_)());
  }

  /// Throws Interrupted once it is requested; `consequence` is what that means for the work.
  void check(const char* consequence = "nothing was written") const {
    if (requested()) throw Interrupted("interrupted; {}", consequence);
  }

 private:
  const std::atomic<bool>* flag_ = nullptr;
  const std::function<bool()>* asked_ = nullptr;
};

}  // namespace gyre
