#include "base/thread_pool.hpp"

#include <algorithm>
#include <chrono>
#include <system_error>

#include "base/error.hpp"
#include "base/processors.hpp"

namespace gyre {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Longer than the gap between two passes, shorter than a thread that lost its core to another program stays away. A
/// core that then sleeps is free for that thread.
constexpr auto kSpinning = microseconds(100);

/// Spins until `done`; false when that does not pay any more.
template <typename Done>
bool spin_until(const Done& done) {
  constexpr int kBetweenLooks = 64;  // at the clock
  Clock::time_point end;
  for (bool first = true;; first = false) {
    for (int spins = 0; spins < kBetweenLooks; ++spins) {
      if (done()) return true;
      pause();
    }
    const Clock::time_point now = Clock::now();
    if (first) end = now + kSpinning;
    if (now >= end) return done();
  }
}

}  // namespace

Share share_of(std::size_t count, std::size_t grain, int part, int parts) {
  const std::size_t units = (count + grain - 1) / grain;
  const auto p = static_cast<std::size_t>(part);
  const auto n = static_cast<std::size_t>(parts);
  return {std::min(count, units * p / n * grain), std::min(count, units * (p + 1) / n * grain)};
}

ThreadPool::ThreadPool(int threads)
    : crowded_(threads > 1 && threads > usable_processors()),
      lane_count_(std::max(1, threads)),
      lanes_(std::make_unique<Lane[]>(static_cast<std::size_t>(lane_count_))),
      shared_(std::make_unique<Shared>()) {
  workers_.reserve(static_cast<std::size_t>(lane_count_ - 1));
  try {
    for (int thread = 1; thread < threads; ++thread) workers_.emplace_back([this, thread] { serve(thread); });
  } catch (const std::system_error& failure) {
    stop();
    throw Error("only {} of {} threads could be started ({}); give fewer threads", size(), threads,
                failure.code().message());
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  shared_->closing = true;
  const std::uint32_t number = ++shared_->number;
  for (int lane = 0; lane < lane_count_; ++lane) {
    lanes_[static_cast<std::size_t>(lane)].left.store(std::uint64_t{number} << 32, std::memory_order_release);
  }
  shared_->number.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(const Job& job) {
  publish(job);
  const int done = work_on(0);
  if (shared_->undone.fetch_sub(done, std::memory_order_acq_rel) != done) wait_for_others();
}

void ThreadPool::publish(const Job& job) {
  shared_->undone.store(job.pieces, std::memory_order_relaxed);
  const std::uint32_t number = shared_->number.load(std::memory_order_relaxed) + 1;
  for (int thread = 0; thread < lane_count_; ++thread) {
    Lane& lane = lanes_[static_cast<std::size_t>(thread)];
    const Share own = share_of(static_cast<std::size_t>(job.pieces), 1, thread, lane_count_);
    lane.job = job;
    lane.end = static_cast<int>(own.end);
    lane.left.store(std::uint64_t{number} << 32 | (own.end - own.begin), std::memory_order_release);
  }
  // Either a worker that goes to sleep sees the number, or it is seen here.
  shared_->number.store(number, std::memory_order_seq_cst);
  if (shared_->asleep.load(std::memory_order_seq_cst) && shared_->asleep.exchange(false)) shared_->number.notify_all();
}

bool ThreadPool::do_piece(Lane& lane, int thread) {
  std::uint64_t word = lane.left.load(std::memory_order_acquire);
  while (static_cast<std::uint32_t>(word) != 0) {
    if (!lane.left.compare_exchange_weak(word, word - 1, std::memory_order_acq_rel, std::memory_order_acquire))
      continue;
    const Job& job = lane.job;
    const int piece = lane.end - static_cast<int>(static_cast<std::uint32_t>(word));
    job.call(job.context, share_of(job.count, job.grain, piece, job.pieces), thread);
    return true;
  }
  return false;
}

int ThreadPool::work_on(int thread) {
  int done = 0;
  for (int i = 0; i < lane_count_; ++i) {
    const int lane = thread + i < lane_count_ ? thread + i : thread + i - lane_count_;
    while (do_piece(lanes_[static_cast<std::size_t>(lane)], thread)) ++done;
  }
  return done;
}

void ThreadPool::wait_for_others() {
  const auto all_done = [this] { return shared_->undone.load(std::memory_order_acquire) == 0; };
  if (!crowded_ && spin_until(all_done)) return;
  for (int left = shared_->undone.load(std::memory_order_acquire); left != 0;) {
    shared_->undone.wait(left, std::memory_order_acquire);
    left = shared_->undone.load(std::memory_order_acquire);
  }
}

void ThreadPool::wait_for_job(const Lane& own, std::uint32_t seen) {
  const auto number = [&] { return static_cast<std::uint32_t>(own.left.load(std::memory_order_acquire) >> 32); };
  if (!crowded_ && spin_until([&] { return number() != seen; })) return;
  while (shared_->number.load(std::memory_order_acquire) == seen) {
    shared_->asleep.store(true, std::memory_order_seq_cst);
    if (shared_->number.load(std::memory_order_seq_cst) != seen) return;
    shared_->number.wait(seen, std::memory_order_acquire);
  }
}

void ThreadPool::serve(int thread) {
  Lane& own = lanes_[static_cast<std::size_t>(thread)];
  for (std::uint32_t seen = 0;;) {
    wait_for_job(own, seen);
    // In this order: whoever sees the number of the end sees that it is one.
    seen = static_cast<std::uint32_t>(own.left.load(std::memory_order_acquire) >> 32);
    if (shared_->closing) return;
    const int done = work_on(thread);
    if (done > 0 && shared_->undone.fetch_sub(done, std::memory_order_acq_rel) == done) shared_->undone.notify_one();
  }
}

}  // namespace gyre
