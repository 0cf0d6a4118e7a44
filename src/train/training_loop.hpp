#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/progress.hpp"
#include "base/stop.hpp"

namespace gyre {

class ProcessGroup;

/// metrics.jsonl of a run: one JSON object a line, each with its "step".
class MetricsLog {
 public:
  /// Keeps nothing: of the ranks behind the first.
  MetricsLog() = default;
  /// Begins the file, or goes on with it: lines of steps after `step` go, since a resumed run repeats those steps.
  /// `print`: each line goes to standard output too.
  MetricsLog(std::filesystem::path file, bool resume, int step, bool print = false);

  /// Throws Error when the line cannot be written.
  void write(const nlohmann::json& line);

 private:
  std::filesystem::path file_;
  std::ofstream out_;
  bool print_ = false;
};

/// What the training loop asks of whoever trains a model.
class TrainingTask {
 public:
  TrainingTask() = default;
  TrainingTask(const TrainingTask&) = delete;
  TrainingTask& operator=(const TrainingTask&) = delete;
  virtual ~TrainingTask() = default;

  /// One update. Returns the row for the metrics, with "step", "loss" and the count that TrainingLoop::counted names.
  virtual nlohmann::json one_step(int step) = 0;
  /// Measures and reports; `progress` is to be cleared before anything is printed.
  virtual void evaluate(int step, Progress& progress, MetricsLog& log) = 0;
  /// Saves all that later steps depend on.
  virtual void save_checkpoint(int step) = 0;
};

/// When what happens in a run.
struct TrainingLoop {
  std::string title = "train";  ///< of the progress
  int steps = 0;
  int evaluate_every = 0;  ///< and behind the last step
  int checkpoint_every = 0;
  std::vector<int> checkpoint_at;       ///< further steps
  std::string counted = "tokens";       ///< the key of a row that counts the work of a step; the log has it a second
  std::string unit = "tok";             ///< the same, short
  Stop stop = {};                       ///< ends the run behind the step it is at
  const ProcessGroup* group = nullptr;  ///< ranks that take every step together; null: one process
};

/// Runs the steps after `step` until the last, or until a stop is requested, which a checkpoint then follows. Throws
/// Error when the loss is no longer finite. Of several ranks the first alone evaluates, saves and shows progress, while
/// the others wait; a stop on one stops all behind the same step. Returns the last step that was run.
int run_training(const TrainingLoop& loop, int step, MetricsLog& log, TrainingTask& task);

/// Throws Error, naming the step, when the loss is not finite.
void require_finite_loss(double loss, int step);

/// Makes OUT and OUT/checkpoints and removes what a killed run left half written. Throws Error when there is a run in
/// OUT already that was not asked to be resumed.
void make_run_folder(const std::filesystem::path& out, bool resume);

}  // namespace gyre
