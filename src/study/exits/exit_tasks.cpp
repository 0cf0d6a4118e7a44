#include "study/exits/exit_tasks.hpp"

#include <algorithm>

#include "base/random.hpp"
#include "study/exits/exit_comparison.hpp"
#include "study/jobs.hpp"

namespace gyre {
namespace {

using Outcomes = std::vector<std::vector<TaskOutcome>>;  ///< [trial][item]

Outcomes ask(const Model& model, const Language& language, const TaskFile& asked, std::span<const ExitTrial> trials,
             const TaskOptions& options, const ProgressSink& progress, JobCount jobs) {
  Outcomes outcomes(trials.size(), std::vector<TaskOutcome>(asked.items.size()));
  const auto job = [&](Engine& engine, std::size_t i) {
    for (std::size_t t = 0; t < trials.size(); ++t) {
      BoundedExit exit = trials[t].exit(i);
      outcomes[t][i] = score_item(engine, language, asked.items[i], options, &exit);
    }
  };
  run_jobs(model, asked.items.size(), options.run.threads, options.run.stop, job, progress, jobs);
  return outcomes;
}

UnitSums sums_of(const TaskFile& asked, const std::vector<TaskOutcome>& outcomes, const ModelSpec& spec) {
  UnitSums sums(asked.items.size());
  const std::vector<TaskMetric> metrics = task_metrics(*asked.task, asked.items, outcomes);
  const TaskMetric& accuracy = *std::find_if(
      metrics.begin(), metrics.end(), [&](const TaskMetric& metric) { return metric.name == accuracy_name(asked); });
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    sums.items[i] = 1;
    sums.errors[i] = 1 - accuracy.values[i];
    for (const auto& [loops, passes] : outcomes[i].depths) {
      sums.tokens[i] += passes;
      for (std::size_t g = 0; g < loops.size(); ++g) {
        if (spec.groups[g].looped()) sums.loops[i] += passes * loops[g];
        sums.layer_runs[i] += passes * loops[g] * spec.groups[g].layers;
      }
    }
  }
  return sums;
}

/// Depths of the looped groups in all passes of a trial.
DepthVectors depths_of(const std::vector<TaskOutcome>& outcomes, const ModelSpec& spec) {
  DepthVectors vectors{spec.looped_groups(), {}, {}};
  std::map<std::vector<int>, double> counts;
  for (const TaskOutcome& outcome : outcomes) {
    for (const auto& [loops, passes] : outcome.depths) {
      std::vector<int> looped;
      for (const int group : vectors.groups) looped.push_back(loops[static_cast<std::size_t>(group)]);
      counts[looped] += passes;
    }
  }
  for (const auto& [loops, passes] : counts) {
    vectors.depths.push_back(loops);
    vectors.counts.push_back(passes);
  }
  return vectors;
}

ExitTrial drawn_trial(DepthVectors depths, int deal, const ModelSpec& spec, const EvaluationOptions& options) {
  const ExitContext context{spec, options.loops, {std::move(depths)}};
  const std::uint64_t seed = combine_seeds(options.seed, static_cast<std::uint64_t>(deal));
  return {"drawn", [context, seed, rule = parse_exit("random:like=1")](std::size_t item) {
            return BoundedExit(rule, context, combine_seeds(seed, item));
          }};
}

}  // namespace

std::string accuracy_name(const TaskFile& asked) {
  // The strict form of a number wants a worked solution, which not every task shows.
  return asked.items.front().kind == TaskKind::number ? "exact_match_flexible" : "acc";
}

TaskRuns run_task(const Model& model, const Language& language, const TaskFile& asked,
                  std::span<const ExitTrial> trials, std::size_t first_dealt, int deals, const TaskOptions& options,
                  const ProgressSink& progress) {
  const auto items = static_cast<std::int64_t>(asked.items.size());
  const Outcomes own = ask(model, language, asked, trials, options, progress, {0, 2 * items});
  std::vector<ExitTrial> drawn;
  for (std::size_t t = first_dealt; t < trials.size(); ++t) {
    const DepthVectors depths = depths_of(own[t], model.spec());
    for (int deal = 0; deal < deals; ++deal) drawn.push_back(drawn_trial(depths, deal, model.spec(), options.run));
  }
  const Outcomes controls = ask(model, language, asked, drawn, options, progress, {items, 2 * items});
  TaskRuns runs;
  for (const std::vector<TaskOutcome>& outcomes : own) runs.trials.push_back(sums_of(asked, outcomes, model.spec()));
  for (std::size_t begin = 0; begin < controls.size(); begin += static_cast<std::size_t>(deals)) {
    std::vector<UnitSums> several;
    for (std::size_t d = 0; d < static_cast<std::size_t>(deals); ++d) {
      several.push_back(sums_of(asked, controls[begin + d], model.spec()));
    }
    runs.dealt.push_back(mean_of(several));
  }
  return runs;
}

}  // namespace gyre
