#include "study/jobs.hpp"

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "base/error.hpp"
#include "base/interrupt.hpp"

namespace gyre {

void run_jobs(const Model& model, std::size_t count, int threads, const std::function<void(Engine&, std::size_t)>& job,
              const ProgressSink& progress, JobCount jobs) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr failure;
  std::mutex mutex;
  std::int64_t done = jobs.done_before;
  const auto work = [&] {
    try {
      Engine engine(model, 1);
      for (std::size_t i = next++; i < count && !failed && !interrupted(); i = next++) {
        job(engine, i);
        const std::lock_guard lock(mutex);
        if (progress) progress(++done, jobs.total);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failed.exchange(true)) failure = std::current_exception();
    }
  };
  std::vector<std::thread> workers;
  for (int i = 1; i < threads; ++i) workers.emplace_back(work);
  work();
  for (std::thread& worker : workers) worker.join();
  if (failure) std::rethrow_exception(failure);
  require_not_interrupted();
}

void check_rules(std::span<const ExitChoice> rules, const ExitContext& context) {
  for (const ExitChoice& rule : rules) {
    if (rule_to_be_like(rule, rules) == 0) BoundedExit(rule, context);
  }
}

}  // namespace gyre
