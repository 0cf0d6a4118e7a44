#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "model/language.hpp"
#include "study/exits/exit_trials.hpp"
#include "study/tasks/task_evaluation.hpp"

namespace gyre {

/// What came of a task under some trials. Units are items; loops and layer runs are of every pass that asks a rule,
/// those of the questions too.
struct TaskRuns {
  std::vector<UnitSums> trials;
  std::vector<UnitSums> dealt;  ///< the mean of the draws
};

/// The measure that says whether an item was answered rightly: acc, or exact_match_flexible where answers are
/// generated.
std::string accuracy_name(const TaskFile& asked);

/// Asks every item under every trial, the work behind an exit skipped, in questions and answers alike. Beside the
/// trials from number `first_dealt` on stand their own depths, drawn blind to the token, `deals` times: each pass gets
/// one vector of depths of those that the trial's passes had. Throws Error naming an item that does not fit.
TaskRuns run_task(const Model& model, const Language& language, const TaskFile& asked,
                  std::span<const ExitTrial> trials, std::size_t first_dealt, int deals, const TaskOptions& options,
                  const ProgressSink& progress);

}  // namespace gyre
