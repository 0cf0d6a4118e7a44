#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace gyre {

/// The share of `count` items that part `part` of `parts` takes, in multiples of `grain` but for the last.
struct Share {
  std::size_t begin;
  std::size_t end;
};
Share share_of(std::size_t count, std::size_t grain, int part, int parts);

/// A fixed set of threads that do pieces of work together, the caller among them.
///
/// Work is cut into pieces, and every thread has some that are its own, the same whenever the cut is: what they read
/// stays in its cache. Whoever is done takes pieces that others have not begun, so nobody waits for a thread that is
/// not there: only for the pieces that one has begun. Who waits spins briefly, since a model calls many times a token,
/// then sleeps. Where there are more threads than processors nobody spins: a thread that waits would keep the one it
/// waits for from running.
class ThreadPool {
 public:
  /// `threads` counts the caller; 1 starts none. Throws Error when the system starts fewer.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] int size() const { return static_cast<int>(workers_.size()) + 1; }

  /// Cuts `count` items, in multiples of `grain` but for the last, into `pieces` and calls work(Share, thread) for
  /// each, on any of the threads 0 … size() - 1, at most one call a thread at a time. Returns when all are done. `work`
  /// must not throw, and a call inside another is not allowed.
  template <typename Work>
  void share(std::size_t count, std::size_t grain, int pieces, const Work& work) {
    if (count == 0) return;
    const Job job{[](const void* context, Share piece, int thread) {
                    if (piece.begin < piece.end) (*static_cast<const Work*>(context))(piece, thread);
                  },
                  &work, count, grain, pieces};
    if (workers_.empty() || pieces == 1) {
      work(Share{0, count}, 0);
    } else {
      run(job);
    }
  }
  /// One piece a thread.
  template <typename Work>
  void share(std::size_t count, const Work& work) {
    share(count, 1, size(), work);
  }

  /// Calls work(part) once for every part = 0 … size() - 1, on as many threads as there are.
  template <typename Work>
  void run(const Work& work) {
    share(static_cast<std::size_t>(size()), [&](Share parts, int /*thread*/) {
      for (std::size_t part = parts.begin; part < parts.end; ++part) work(static_cast<int>(part));
    });
  }

 private:
  struct Job {
    void (*call)(const void* context, Share piece, int thread) = nullptr;
    const void* context = nullptr;
    std::size_t count = 0;
    std::size_t grain = 1;
    int pieces = 0;
  };
  /// Pieces that are one thread's own, in one cache line with all there is to know about them.
  struct alignas(64) Lane {
    /// The number of the job in the upper half, how many pieces are left in the lower. Taking one is a
    /// compare-and-swap, so that a thread that comes late cannot take from a job that is over.
    std::atomic<std::uint64_t> left{0};
    Job job;      ///< only who holds a piece may read it
    int end = 0;  ///< of its pieces
  };

  void run(const Job& job);
  void publish(const Job& job);
  /// Does pieces as long as there are some; returns how many.
  int work_on(int thread);
  bool do_piece(Lane& lane, int thread);
  void wait_for_others();
  void serve(int thread);
  void wait_for_job(const Lane& own, std::uint32_t seen);
  void stop();

  /// What all threads look at, in cache lines of its own.
  struct Shared {
    alignas(64) std::atomic<std::uint32_t> number{0};  ///< of jobs so far
    std::atomic<bool> asleep{false};                   ///< a worker may be waiting for `number` to be notified
    std::atomic<bool> closing{false};
    alignas(64) std::atomic<int> undone{0};  ///< pieces of the job
  };

  const bool crowded_;  ///< more threads than processors
  int lane_count_;
  std::unique_ptr<Lane[]> lanes_;  ///< one a thread
  std::unique_ptr<Shared> shared_;
  std::vector<std::thread> workers_;
};

}  // namespace gyre
