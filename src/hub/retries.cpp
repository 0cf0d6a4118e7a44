#include "hub/retries.hpp"

#include <algorithm>
#include <thread>

#include "base/error.hpp"

namespace gyre {

void Retries::wait_after(const TransientFailure& failure) {
  using Milliseconds = std::chrono::milliseconds;
  constexpr Milliseconds kSlice{50};
  constexpr int kMostDoublings = 20;
  if (++failures_ >= policy_.attempts) {
    throw Error("{}; gave up after {} attempts, the same command goes on where it stopped", failure.what(), failures_);
  }
  const Milliseconds own = policy_.first_wait * (1 << std::min(failures_ - 1, kMostDoublings));
  // Compared in seconds: what a server asks for may be too much to count in milliseconds.
  const auto most = std::chrono::ceil<std::chrono::seconds>(policy_.longest_wait);
  Milliseconds wait = std::max<Milliseconds>(own, std::min(failure.retry_after(), most));
  wait = std::min(wait, policy_.longest_wait);
  if (notice_) {
    notice_(fmt::format("{}; trying again in {:.1f} s", failure.what(), std::chrono::duration<double>(wait).count()));
  }
  for (; wait > Milliseconds::zero(); wait -= kSlice) {
    policy_.stop.check(kGoesOn);
    std::this_thread::sleep_for(std::min(wait, kSlice));
  }
  policy_.stop.check(kGoesOn);
}

}  // namespace gyre
