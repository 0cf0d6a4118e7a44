#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/options.hpp"
#include "study/evaluation.hpp"

namespace gyre::cli {

/// Tokens that a question and its answer may have together unless told, where the model takes so many.
inline constexpr int kTaskWindow = 4096;

/// The flags of `gyre eval --task`.
struct TaskFlags {
  std::vector<std::string> tasks;  ///< NAME:FILE
  int limit = 0;                   ///< 0: all items
  int shots = 0;
  int answer_tokens = 0;  ///< 0: as many as lm-evaluation-harness
  bool items = false;
};

void add_task_flags(CLI::App& command, TaskFlags& flags);
/// Refuses names that are none, and flags that say nothing without --task. Reads no file.
void check_task_flags(const TaskFlags& flags, bool json);
/// Scores every task under every rule and prints what came of it.
void run_tasks(const TaskFlags& flags, const RunOptions& run, const Checkpoint& checkpoint,
               const std::vector<ExitChoice>& rules, const EvaluationOptions& options, const std::string& exit_prompt);

}  // namespace gyre::cli
