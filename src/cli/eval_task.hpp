#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/options.hpp"
#include "study/evaluation.hpp"
#include "study/tasks/task.hpp"

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
/// The items of every file, so that mistakes in them show before anything runs.
std::vector<TaskFile> read_tasks(const TaskFlags& flags);
/// What a result on it depends on.
nlohmann::json task_file_json(const TaskFile& given, const TaskFlags& flags);
/// Scores every task under every rule and prints what came of it.
void run_tasks(const TaskFlags& flags, const RunOptions& run, const Checkpoint& checkpoint,
               const std::vector<ExitChoice>& rules, const EvaluationOptions& options, const std::string& exit_prompt);

}  // namespace gyre::cli
