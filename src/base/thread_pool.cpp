#include "base/thread_pool.hpp"

#include <algorithm>
#include <chrono>
#include <system_error>

#include "base/error.hpp"
#include "base/processors.hpp"

namespace gyre {
namespace {

/// About 50 µs on most processors: longer than the gap between two passes, shorter than anyone would notice.
constexpr int kSpins = 1'000;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

using Clock = std::chrono::steady_clock;

/// A thread that lost its core to another program comes back after milliseconds: then others had better sleep than take
/// turns with it.
constexpr auto kYielding = std::chrono::microseconds(200);

/// Returns when `done` is true of the value: spins, yields for a moment, then sleeps until it is notified. In a crowd
/// it sleeps at once.
template <typename Number, typename Done>
void wait_until(const std::atomic<Number>& value, bool crowded, const Done& done) {
  for (int spins = 0; !crowded && spins < kSpins; ++spins) {
    if (done(value.load(std::memory_order_acquire))) return;
    pause();
  }
  for (const auto end = Clock::now() + kYielding; !crowded && Clock::now() < end;) {
    if (done(value.load(std::memory_order_acquire))) return;
    std::this_thread::yield();
  }
  for (Number now = value.load(std::memory_order_acquire); !done(now); now = value.load(std::memory_order_acquire)) {
    value.wait(now, std::memory_order_acquire);
  }
}

}  // namespace

ThreadPool::ThreadPool(int threads) : crowded_(threads > 1 && threads > usable_processors()) {
  workers_.reserve(static_cast<std::size_t>(std::max(0, threads - 1)));
  try {
    for (int part = 1; part < threads; ++part) workers_.emplace_back([this, part] { serve(part); });
  } catch (const std::system_error& failure) {
    stop();
    throw Error("only {} of {} threads could be started ({}); give fewer threads", size(), threads,
                failure.code().message());
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
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
  wait_until(unfinished_, crowded_, [](int left) { return left == 0; });
}

void ThreadPool::barrier() {
  if (workers_.empty()) return;
  const unsigned passed = passed_.load(std::memory_order_relaxed);
  if (waiting_.fetch_add(1, std::memory_order_acq_rel) + 1 == size()) {
    waiting_.store(0, std::memory_order_relaxed);
    passed_.store(passed + 1, std::memory_order_release);
    passed_.notify_all();
    return;
  }
  wait_until(passed_, crowded_, [passed](unsigned now) { return now != passed; });
}

void ThreadPool::serve(int part) {
  for (unsigned seen = 0;; ++seen) {
    wait_until(round_, crowded_, [seen](unsigned now) { return now != seen; });
    if (closing_) return;
    call_(context_, part);
    if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_one();
  }
}

Share share_of(std::size_t count, std::size_t grain, int part, int parts) {
  const std::size_t units = (count + grain - 1) / grain;
  const auto p = static_cast<std::size_t>(part);
  const auto n = static_cast<std::size_t>(parts);
  return {std::min(count, units * p / n * grain), std::min(count, units * (p + 1) / n * grain)};
}

}  // namespace gyre
