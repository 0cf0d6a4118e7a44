#include "study/tasks/task_evaluation.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "study/jobs.hpp"
#include "study/tasks/numbers.hpp"

namespace gyre {
namespace {

/// The metric of `name` by what it is of each item.
template <typename Value>
TaskMetric metric_of(const char* name, std::span<const TaskItem> items, const std::vector<TaskOutcome>& outcomes,
                     Value value) {
  TaskMetric metric{name, {}};
  for (std::size_t i = 0; i < items.size(); ++i) {
    metric.values.push_back(static_cast<double>(value(items[i], outcomes[i])));
  }
  return metric;
}

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

Interval interval_of(std::span<const double> values) {
  return bootstrap_ratio(values, std::vector<double>(values.size(), 1.0));
}

/// Of log-likelihoods exp(-x), which turns an interval round.
void set(const TaskMetric& metric, std::span<const double> values, double& value, Interval& interval) {
  value = mean_of(values);
  interval = interval_of(values);
  if (!metric.is_perplexity()) return;
  value = std::exp(-value);
  interval = {std::exp(-interval.high), std::exp(-interval.low)};
}

}  // namespace

std::vector<TaskMetric> task_metrics(const Task& task, std::span<const TaskItem> items,
                                     const std::vector<TaskOutcome>& outcomes) {
  using Item = TaskItem;
  using Outcome = TaskOutcome;
  std::vector<TaskMetric> metrics;
  const auto add = [&](const char* name, auto value) { metrics.push_back(metric_of(name, items, outcomes, value)); };
  switch (items.front().kind) {
    case TaskKind::choice:
      add("acc", [](const Item& item, const Outcome& outcome) { return outcome.chosen == item.right; });
      if (!task.normed) break;
      add("acc_norm", [](const Item& item, const Outcome& outcome) { return outcome.chosen_normed == item.right; });
      break;
    case TaskKind::words:
      add("acc", [](const Item& /*item*/, const Outcome& outcome) { return outcome.answers.front().greedy; });
      add("perplexity",
          [](const Item& /*item*/, const Outcome& outcome) { return outcome.answers.front().log_likelihood; });
      break;
    case TaskKind::number:
      add("exact_match_strict", [](const Item& item, const Outcome& outcome) {
        return is_same_answer(strict_number(outcome.text), item.reference);
      });
      add("exact_match_flexible", [](const Item& item, const Outcome& outcome) {
        return is_same_answer(flexible_number(outcome.text), item.reference);
      });
      break;
  }
  return metrics;
}

std::string TaskMetric::verdict() const {
  const double none = is_perplexity() ? 1 : 0;
  if (difference == none && difference_interval.low == none && difference_interval.high == none) return "same";
  if (difference_interval.low > none) return "higher";
  if (difference_interval.high < none) return "lower";
  return "unclear";
}

TaskResult summarise_task(const std::string& rule, const Task& task, std::span<const TaskItem> items,
                          std::vector<TaskOutcome> outcomes, const TaskResult* first) {
  TaskResult result{rule, task_metrics(task, items, outcomes)};
  for (std::size_t m = 0; m < result.metrics.size(); ++m) {
    TaskMetric& metric = result.metrics[m];
    set(metric, metric.values, metric.value, metric.interval);
    if (first == nullptr) continue;
    std::vector<double> differences = metric.values;
    for (std::size_t i = 0; i < differences.size(); ++i) differences[i] -= first->metrics[m].values[i];
    set(metric, differences, metric.difference, metric.difference_interval);
  }
  double tokens = 0;
  for (const TaskOutcome& outcome : outcomes) {
    result.loops_per_token += outcome.loops;
    tokens += outcome.tokens;
    result.milliseconds_per_item += outcome.milliseconds / static_cast<double>(outcomes.size());
    result.shortened += outcome.dropped > 0 ? 1 : 0;
  }
  result.loops_per_token /= tokens;
  result.outcomes = std::move(outcomes);
  return result;
}

std::vector<TaskResult> evaluate_task(const Model& model, const Language& language, const Task& task,
                                      std::span<const TaskItem> items, std::span<const ExitChoice> rules,
                                      const TaskOptions& options, const ProgressSink& progress) {
  const ExitContext context{model.spec(), options.run.loops, {}};
  std::vector<ExitChoice> asked;
  std::copy_if(rules.begin(), rules.end(), std::back_inserter(asked),
               [](const ExitChoice& rule) { return rule.kind != kAtOnce; });
  for (const ExitChoice& rule : asked) BoundedExit(rule, context);
  std::vector<std::vector<TaskOutcome>> outcomes(rules.size(), std::vector<TaskOutcome>(items.size()));
  const auto job = [&](Engine& engine, std::size_t i) {
    for (const std::size_t r : order_of_rules(rules.size(), i)) {
      std::optional<BoundedExit> exit;
      if (rules[r].kind != kAtOnce) exit.emplace(rules[r], context, i);
      outcomes[r][i] = score_item(engine, language, items[i], options, exit ? &*exit : nullptr);
    }
  };
  run_jobs(model, items.size(), options.run.threads, options.run.stop, job, progress,
           {0, static_cast<std::int64_t>(items.size())});
  std::vector<TaskResult> results;
  results.reserve(rules.size());  // the others look at the first
  for (std::size_t r = 0; r < rules.size(); ++r) {
    results.push_back(
        summarise_task(rules[r].text, task, items, std::move(outcomes[r]), r > 0 ? &results[0] : nullptr));
  }
  return results;
}

}  // namespace gyre
