#pragma once

#include <atomic>

#include "base/error.hpp"

namespace gyre {

/// Long work ended because it is no longer wanted.
class Interrupted : public Error {
 public:
  using Error::Error;
};

/// What long work looks at between its steps: whether it is still wanted. Whoever starts the work hands it in, and sets
/// the flag behind it from another thread or a signal handler. By itself it never asks to stop.
class Stop {
 public:
  Stop() = default;
  /// `flag` outlives all copies.
  explicit Stop(const std::atomic<bool>& flag) : flag_(&flag) {}

  [[nodiscard]] bool requested() const { return flag_ != nullptr && flag_->load(std::memory_order_relaxed); }

  /// Throws Interrupted once it is requested; `consequence` is what that means for the work.
  void check(const char* consequence = "nothing was written") const {
    if (requested()) throw Interrupted("interrupted; {}", consequence);
  }

 private:
  const std::atomic<bool>* flag_ = nullptr;
};

}  // namespace gyre
