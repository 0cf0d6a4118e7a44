#include "study/exits/exit_trials.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>

#include "base/error.hpp"
#include "base/random.hpp"
#include "engine/probabilities.hpp"
#include "study/jobs.hpp"

namespace gyre {
namespace {

constexpr std::size_t kTrialsTogether = 15;  ///< trials that are decoded beside full depth at once

/// Leaves a group after the loop that is written down for the position.
class DealtExit : public ExitRule {
 public:
  /// `first`: of the rows, that of position 0.
  DealtExit(const PositionDepths& depths, std::size_t first, std::vector<std::size_t> column)
      : depths_(depths), first_(first), column_(std::move(column)) {}

  [[nodiscard]] ExitReads reads() const override { return {}; }
  void enter_group(int group, int position) override {
    const auto row = depths_.row(first_ + static_cast<std::size_t>(position));
    depth_ = row[column_[static_cast<std::size_t>(group)]];
  }
  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    if (step.loop < depth_) return {};
    return "dealt";
  }

 private:
  const PositionDepths& depths_;
  std::size_t first_;
  std::vector<std::size_t> column_;  ///< of each group, among the looped ones
  int depth_ = 0;
};

double layer_runs_of(const TokenDepth& depth, const ModelSpec& spec) {
  double runs = 0;
  for (std::size_t g = 0; g < spec.groups.size(); ++g) {
    runs += static_cast<double>(depth.loops[g]) * spec.groups[g].layers;
  }
  return runs;
}

/// Runs the trials of one window, some at a time beside full depth.
class WindowRun {
 public:
  WindowRun(Engine& engine, const Window& window, std::size_t first_position, std::size_t unit,
            const EvaluationOptions& options)
      : engine_(engine), window_(window), first_position_(first_position), unit_(unit), options_(options) {}

  void run(std::span<BoundedExit> exits, std::span<const bool> keeps, std::span<TrialResult* const> results) {
    std::vector<Sequence> sequences;
    for (std::size_t i = 0; i <= exits.size(); ++i) sequences.push_back(start_sequence(engine_, options_));
    std::vector<DecodeRow> batch(sequences.size());
    const std::size_t vocabulary = static_cast<std::size_t>(engine_.model().spec().vocab_size);
    std::vector<float> full(vocabulary);
    std::vector<float> log_p(vocabulary);
    for (std::size_t t = 0; t < window_.inputs().size(); ++t) {
      options_.stop.check();
      for (std::size_t i = 0; i < batch.size(); ++i) {
        batch[i] = {&sequences[i], window_.inputs()[t], i < exits.size() ? &exits[i] : nullptr};
      }
      const std::span<const float> logits = engine_.decode(batch);
      const std::int64_t place = window_.place_of_target(t);
      log_probabilities(logits.subspan(exits.size() * vocabulary, vocabulary), full, place);
      for (std::size_t i = 0; i < exits.size(); ++i) {
        note_depth(t, batch[i].depth, *results[i]);
        if (t < window_.first) continue;
        log_probabilities(logits.subspan(i * vocabulary, vocabulary), log_p, place);
        score(t, full, log_p, batch[i].depth, keeps[i], *results[i]);
      }
    }
  }

 private:
  void note_depth(std::size_t t, const TokenDepth& depth, TrialResult& result) const {
    const auto row = result.depths.row(first_position_ + t);
    const std::vector<int> looped = engine_.model().spec().looped_groups();
    for (std::size_t j = 0; j < looped.size(); ++j) {
      row[j] = static_cast<std::uint16_t>(depth.loops[static_cast<std::size_t>(looped[j])]);
    }
  }

  void score(std::size_t t, std::span<const float> full, std::span<const float> log_p, const TokenDepth& depth,
             bool keeps, TrialResult& result) const {
    const auto target = static_cast<std::size_t>(window_.targets()[t]);
    const std::size_t choice = likeliest(log_p);
    const bool agrees = choice == likeliest(full);
    UnitSums& sums = result.sums;
    sums.tokens[unit_] += 1;
    sums.cross_entropy[unit_] -= static_cast<double>(log_p[target]);
    sums.kl[unit_] += kl_divergence(full, log_p);
    sums.disagreement[unit_] += agrees ? 0 : 1;
    const auto row = result.depths.row(first_position_ + t);
    sums.loops[unit_] += std::accumulate(row.begin(), row.end(), 0.0);
    sums.layer_runs[unit_] += layer_runs_of(depth, engine_.model().spec());
    if (!keeps) return;
    result.losses[first_position_ + t] = -log_p[target];
    result.choices[first_position_ + t] = static_cast<std::int32_t>(choice);
    result.agrees[first_position_ + t] = agrees ? 1 : 0;
  }

  Engine& engine_;
  const Window& window_;
  std::size_t first_position_;
  std::size_t unit_;
  const EvaluationOptions& options_;
};

/// Each result in memory of its own, so that windows of one unit may run side by side.
TrialResult empty_result(const ExitTrial& trial, const UnitText& text, std::size_t positions, std::size_t groups) {
  TrialResult result{UnitSums(text.units), {groups, std::vector<std::uint16_t>(positions * groups)}, {}, {}, {}};
  if (!trial.keeps_tokens) return result;
  result.losses.resize(positions);
  result.choices.resize(positions);
  result.agrees.resize(positions);
  return result;
}

void deal(std::vector<std::size_t>& positions, const PositionDepths& from, PositionDepths& to, Random& random) {
  std::vector<std::size_t> order = positions;
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const auto row = from.row(order[i]);
    std::copy(row.begin(), row.end(), to.row(positions[i]).begin());
  }
}

}  // namespace

UnitSums::UnitSums(std::size_t units)
    : tokens(units),
      cross_entropy(units),
      kl(units),
      disagreement(units),
      loops(units),
      layer_runs(units),
      items(units),
      errors(units) {}

double per_token(std::span<const double> numerators, const UnitSums& sums) {
  return std::accumulate(numerators.begin(), numerators.end(), 0.0) /
         std::accumulate(sums.tokens.begin(), sums.tokens.end(), 0.0);
}

UnitText cut_units(const MeasuredText& text, const ModelSpec& spec, const EvaluationOptions& options) {
  UnitText units;
  units.of_documents = text.documents.size() >= kFewDocuments;
  std::int64_t place = 0;
  for (std::size_t d = 0; d < text.documents.size(); ++d) {
    const std::vector<std::int32_t>& document = text.documents[d];
    if (document.size() < 2) {
      throw Error("document {} of {} has {} tokens; give documents of at least 2", d + 1, text.documents.size(),
                  document.size());
    }
    for (Window& window : cut_windows({{document}, text.prefix}, spec, {options.window, options.score_from})) {
      window.begin += place;
      units.unit.push_back(units.of_documents ? d : units.windows.size());
      units.windows.push_back(std::move(window));
    }
    place += static_cast<std::int64_t>(document.size());
  }
  units.units = units.of_documents ? text.documents.size() : units.windows.size();
  return units;
}

std::vector<std::vector<std::size_t>> scored_positions(const UnitText& text) {
  std::vector<std::vector<std::size_t>> positions(text.units);
  const std::vector<std::size_t> first = first_positions(text.windows);
  for (std::size_t w = 0; w < text.windows.size(); ++w) {
    for (std::size_t t = text.windows[w].first; t < text.windows[w].inputs().size(); ++t) {
      positions[text.unit[w]].push_back(first[w] + t);
    }
  }
  return positions;
}

std::vector<TrialResult> run_trials(const Model& model, const UnitText& text, std::span<const ExitTrial> trials,
                                    const EvaluationOptions& options, const ProgressSink& progress) {
  const std::vector<std::size_t> first = first_positions(text.windows);
  const std::size_t groups = model.spec().looped_groups().size();
  std::vector<TrialResult> results;
  for (const ExitTrial& trial : trials) results.push_back(empty_result(trial, text, first.back(), groups));

  // A unit's windows one after the other in one job: they add to the same sums.
  std::vector<std::vector<std::size_t>> windows(text.units);
  for (std::size_t w = 0; w < text.windows.size(); ++w) windows[text.unit[w]].push_back(w);
  const auto run_window = [&](Engine& engine, std::size_t w) {
    WindowRun run(engine, text.windows[w], first[w], text.unit[w], options);
    for (std::size_t begin = 0; begin < trials.size(); begin += kTrialsTogether) {
      std::vector<BoundedExit> exits;
      std::vector<TrialResult*> those;
      std::array<bool, kTrialsTogether> keeps = {};
      for (std::size_t i = begin; i < std::min(begin + kTrialsTogether, trials.size()); ++i) {
        keeps[exits.size()] = trials[i].keeps_tokens;
        exits.push_back(trials[i].exit(w));
        those.push_back(&results[i]);
      }
      run.run(exits, keeps, those);
    }
  };
  const auto job = [&](Engine& engine, std::size_t unit) {
    for (const std::size_t w : windows[unit]) run_window(engine, w);
  };
  run_jobs(model, text.units, options.threads, options.stop, job, progress, {0, static_cast<std::int64_t>(text.units)});
  return results;
}

ExitTrial rule_trial(const ExitChoice& rule, const ModelSpec& spec, const std::vector<int>& loops) {
  return {rule.text, [rule, &spec, loops](std::size_t window) { return BoundedExit(rule, {spec, loops, {}}, window); }};
}

ExitTrial dealt_trial(std::string name, const PositionDepths& depths, const UnitText& text, const ModelSpec& spec) {
  return {std::move(name),
          [&depths, columns = looped_columns(spec), first = first_positions(text.windows)](std::size_t w) {
            return BoundedExit(std::make_unique<DealtExit>(depths, first[w], columns));
          }};
}

PositionDepths dealt_over_all(const PositionDepths& depths, const UnitText& text, std::uint64_t seed) {
  PositionDepths dealt = depths;
  std::vector<std::size_t> all;
  for (const std::vector<std::size_t>& positions : scored_positions(text)) {
    all.insert(all.end(), positions.begin(), positions.end());
  }
  Random random(seed);
  deal(all, depths, dealt, random);
  return dealt;
}

PositionDepths dealt_within_units(const PositionDepths& depths, const UnitText& text, std::uint64_t seed) {
  PositionDepths dealt = depths;
  Random random(seed);
  for (std::vector<std::size_t>& positions : scored_positions(text)) deal(positions, depths, dealt, random);
  return dealt;
}

}  // namespace gyre
