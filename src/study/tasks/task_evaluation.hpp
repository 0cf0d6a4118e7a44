#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "study/statistics.hpp"
#include "study/tasks/task_scoring.hpp"

namespace gyre {

/// A measure over items. Intervals are 95 %, by bootstrap over items.
struct TaskMetric {
  std::string name;            ///< acc, acc_norm, perplexity, exact_match_strict, exact_match_flexible
  std::vector<double> values;  ///< of each item: 1 or 0, or the log-likelihood that perplexity is made of
  double value = 0;
  Interval interval = {};
  /// Against the first rule, item by item; of perplexities the quotient. Nothing is known of the first itself.
  double difference = 0;
  Interval difference_interval = {};

  [[nodiscard]] bool is_perplexity() const { return name == "perplexity"; }
  /// "higher", "lower", "unclear" where the interval holds no difference, or "same" where no item differs.
  [[nodiscard]] std::string verdict() const;
};

/// What happened under one rule.
struct TaskResult {
  std::string rule;
  std::vector<TaskMetric> metrics;
  double loops_per_token = 0;  ///< over the looped groups, of the passes that tell an answer's tokens
  double milliseconds_per_item = 0;
  std::int64_t shortened = 0;  ///< items whose context lost its beginning
  std::vector<TaskOutcome> outcomes = {};
};

/// The measures of a task with their values of each item, nothing being known of all together yet.
std::vector<TaskMetric> task_metrics(const Task& task, std::span<const TaskItem> items,
                                     const std::vector<TaskOutcome>& outcomes);

/// What one rule made of all items, compared with `first`, if there is one.
TaskResult summarise_task(const std::string& rule, const Task& task, std::span<const TaskItem> items,
                          std::vector<TaskOutcome> outcomes, const TaskResult* first);

/// Scores items under each rule, items side by side on threads.
std::vector<TaskResult> evaluate_task(const Model& model, const Language& language, const Task& task,
                                      std::span<const TaskItem> items, std::span<const ExitChoice> rules,
                                      const TaskOptions& options, const ProgressSink& progress);

}  // namespace gyre
