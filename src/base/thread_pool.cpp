#include "base/thread_pool.hpp"

#include <algorithm>

namespace gyre {
namespace {

/// About 50 µs on most processors: longer than the gap between two passes, shorter than anyone would notice.
constexpr int kSpins = 1'000;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  for (int part = 1; part < threads; ++part) workers_.emplace_back([this, part] { serve(part); });
}

ThreadPool::~ThreadPool() {
  closing_ = true;
  ++round_;
  round_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::start(Call call, const void* context) {
  call_ = call;
  context_ = context;
  unfinished_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
}

void ThreadPool::finish() {
  for (int spins = 0; unfinished_.load(std::memory_order_acquire) > 0; ++spins) {
    // A worker that lost its core to another program would be waited for with the core it needs.
    spins < kSpins ? pause() : std::this_thread::yield();
  }
}

void ThreadPool::barrier() {
  if (workers_.empty()) return;
  const unsigned passed = passed_.load(std::memory_order_relaxed);
  if (waiting_.fetch_add(1, std::memory_order_acq_rel) + 1 == size()) {
    waiting_.store(0, std::memory_order_relaxed);
    passed_.store(passed + 1, std::memory_order_release);
    return;
  }
  for (int spins = 0; passed_.load(std::memory_order_acquire) == passed; ++spins) {
    spins < kSpins ? pause() : std::this_thread::yield();
  }
}

void ThreadPool::serve(int part) {
  unsigned seen = 0;
  while (true) {
    int spins = 0;
    while (round_.load(std::memory_order_acquire) == seen) {
      if (++spins < kSpins) {
        pause();
      } else {
        round_.wait(seen, std::memory_order_acquire);
      }
    }
    ++seen;
    if (closing_) return;
    call_(context_, part);
    unfinished_.fetch_sub(1, std::memory_order_release);
  }
}

Share share_of(std::size_t count, std::size_t grain, int part, int parts) {
  const std::size_t units = (count + grain - 1) / grain;
  const auto p = static_cast<std::size_t>(part);
  const auto n = static_cast<std::size_t>(parts);
  return {std::min(count, units * p / n * grain), std::min(count, units * (p + 1) / n * grain)};
}

}  // namespace gyre
