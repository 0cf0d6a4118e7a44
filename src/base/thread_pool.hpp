#pragma once

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace gyre {

/// A fixed set of threads that run one function together, the caller among them. Who waits
/// spins briefly, since a model calls many times a token, then sleeps. Where there are more threads than processors
/// nobody spins: a thread that waits would keep the one it waits for from running.
class ThreadPool {
 public:
  /// `threads` counts the caller; 1 starts none. Throws Error when the system starts fewer.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] int size() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls work(part) for part = 0 … size() - 1, one a thread, and returns when all are done. `work` must not throw.
  template <typename Work>
  void run(const Work& work) {
    if (workers_.empty()) {
      work(0);
      return;
    }
    start([](const void* context, int part) { (*static_cast<const Work*>(context))(part); }, &work);
    work(0);
    finish();
  }

  /// Inside run(): waits until every part has come here.
  void barrier();

 private:
  using Call = void (*)(const void* context, int part);

  void start(Call call, const void* context);
  void finish();
  void serve(int part);
  void stop();

  const bool crowded_;  ///< more threads than processors
  std::vector<std::thread> workers_;
  Call call_ = nullptr;
  const void* context_ = nullptr;
  std::atomic<unsigned> round_{0};
  std::atomic<int> unfinished_{0};
  std::atomic<bool> closing_{false};
  std::atomic<int> waiting_{0};      ///< parts at the barrier
  std::atomic<unsigned> passed_{0};  ///< barriers that all parts have passed
};

/// The share of `count` items that part `part` of `parts` takes, in multiples of `grain` but for the last.
struct Share {
  std::size_t begin;
  std::size_t end;
};
Share share_of(std::size_t count, std::size_t grain, int part, int parts);

}  // namespace gyre
