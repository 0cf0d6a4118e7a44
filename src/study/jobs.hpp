#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <thread>

#include "base/stop.hpp"
#include "engine/engine.hpp"
#include "study/evaluation.hpp"

namespace gyre {

/// How far a series of jobs is, across passes.
struct JobCount {
  std::int64_t done_before = 0;
  std::int64_t total = 0;
};

/// Runs `work` on `threads` threads, the calling one among them, and waits for all. Threads that the system does not
/// give are done without: `start` may throw std::system_error. Rethrows the first mistake of `work`.
using ThreadStarter = std::function<std::thread(const std::function<void()>& work)>;
void run_on_threads(int threads, const std::function<void()>& work, const ThreadStarter& start = {});

/// Runs job(engine, index) for index = 0 … count - 1 on `threads` threads, each with a one-thread engine of its own.
/// Rethrows the first mistake; throws Error once `stop` is requested.
void run_jobs(const Model& model, std::size_t count, int threads, Stop stop,
              const std::function<void(Engine& engine, std::size_t index)>& job, const ProgressSink& progress,
              JobCount jobs);

/// Makes every rule once, so that mistakes show before any work is done.
void check_rules(std::span<const ExitChoice> rules, const ExitContext& context);

}  // namespace gyre
