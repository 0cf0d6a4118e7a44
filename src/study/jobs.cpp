#include "study/jobs.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <vector>

#include "base/error.hpp"

namespace gyre {

namespace {

/// Whether the system started one more; those that run do the work of the others.
bool starts(const std::function<void()>& work, const ThreadStarter& start, std::vector<std::thread>& workers) {
  try {
    workers.push_back(start ? start(work) : std::thread(work));
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

}  // namespace

void run_on_threads(int threads, const std::function<void()>& work, const ThreadStarter& start) {
  std::exception_ptr failure;
  std::mutex mutex;
  const std::function<void()> guarded = [&] {
    try {
      work();
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  std::vector<std::thread> workers;
  workers.reserve(static_cast<std::size_t>(std::max(0, threads - 1)));
  while (static_cast<int>(workers.size()) + 1 < threads && starts(guarded, start, workers)) continue;
  guarded();
  for (std::thread& worker : workers) worker.join();
  if (failure) std::rethrow_exception(failure);
}

void run_jobs(const Model& model, std::size_t count, int threads, Stop stop,
              const std::function<void(Engine&, std::size_t)>& job, const ProgressSink& progress, JobCount jobs) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::int64_t done = jobs.done_before;
  const auto work = [&] {
    try {
      Engine engine(model, 1, stop);
      for (std::size_t i = next++; i < count && !failed && !stop.requested(); i = next++) {
        job(engine, i);
        const std::lock_guard lock(mutex);
        if (progress) progress(++done, jobs.total);
      }
    } catch (...) {
      failed = true;
      throw;
    }
  };
  run_on_threads(threads, work);
  stop.check();
}

void check_rules(std::span<const ExitChoice> rules, const ExitContext& context) {
  for (const ExitChoice& rule : rules) {
    if (rule_to_be_like(rule, rules) == 0) BoundedExit(rule, context);
  }
}

}  // namespace gyre
