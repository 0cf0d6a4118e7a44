#include "study/calibration.hpp"

#include <algorithm>
#include <map>
#include <numeric>

#include "base/error.hpp"
#include "base/random.hpp"
#include "study/exits/exit_thresholds.hpp"
#include "study/jobs.hpp"

namespace gyre {
namespace {

constexpr double kTolerance = 1e-9;

std::vector<std::size_t> drawn_order(std::size_t count, std::uint64_t seed) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), 0U);
  Random random(seed);
  for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

/// Documents that a grid is found on: a twentieth of them, 1 to 8.
std::size_t set_aside(const CalibrationOptions& options, std::size_t documents) {
  return options.thresholds.empty() ? std::clamp<std::size_t>(documents / 20, 1, 8) : 0;
}

void require_enough(std::size_t documents, std::size_t aside, const RiskTarget& target) {
  const std::int64_t needed = documents_needed(target);
  if (static_cast<std::int64_t>(documents) >= needed + static_cast<std::int64_t>(aside)) return;
  const std::string beside = aside > 0 ? fmt::format(" besides the {} that the thresholds are found on", aside) : "";
  const std::string level = target.method == RiskMethod::conformal ? "" : fmt::format(" and delta {}", target.delta);
  throw Error(
      "{} documents are too few for alpha {}{}: even if none cost anything, {} are needed{}; give more, or tolerate "
      "more",
      documents, target.alpha, level, needed, beside);
}

class Trial {
 public:
  Trial(const Model& model, const RiskTask& task, const ExitChoice& rule, const CalibrationOptions& options)
      : model_(model), task_(task), rule_(rule), options_(options), option_(threshold_option(rule)) {
    check_rules(std::vector<ExitChoice>{at(option_.boldest)}, {model.spec(), options.loops, {}});
  }

  [[nodiscard]] ExitChoice at(double threshold) const { return rule_at(rule_, option_, threshold); }
  [[nodiscard]] const ThresholdOption& option() const { return option_; }

  /// Outcomes [documents][rules].
  std::vector<std::vector<DocumentOutcome>> run(std::span<const std::size_t> documents,
                                                std::span<const ExitChoice> rules, const ProgressSink& progress) const {
    std::vector<std::vector<DocumentOutcome>> outcomes(documents.size());
    run_jobs(model_, documents.size(), options_.threads, options_.stop,
             [&](Engine& engine, std::size_t i) { outcomes[i] = task_.run(engine, documents[i], rules); }, progress,
             {0, static_cast<std::int64_t>(documents.size())});
    return outcomes;
  }

  double mean_loops(std::span<const std::size_t> documents, double threshold) const {
    const std::vector<ExitChoice> rules = {at(threshold)};
    return loops_of(run(documents, rules, {}), 0);
  }

  static double loops_of(const std::vector<std::vector<DocumentOutcome>>& outcomes, std::size_t rule) {
    double loops = 0;
    double tokens = 0;
    for (const auto& document : outcomes) {
      loops += document[rule].loops;
      tokens += document[rule].tokens;
    }
    return loops / tokens;
  }

  /// Refuses a rule that no threshold lets leave, or that leaves whatever the threshold; returns the fewest loops.
  double require_choice(std::span<const std::size_t> documents) const {
    const double safest = mean_loops(documents, option_.safest);
    const double boldest = mean_loops(documents, option_.boldest);
    if (boldest > safest - kTolerance) {
      throw Error("exit {}: {:.2f} loops a token are run whatever {} is, so there is nothing to choose; {}", rule_.text,
                  safest, option_.key, "let it leave earlier (hits, min, every) or run more loops");
    }
    return boldest;
  }

  std::vector<double> thresholds(std::span<const std::size_t> aside) const {
    if (!options_.thresholds.empty()) return from_safest(options_.thresholds, option_, rule_);
    std::map<double, double> known;
    const auto loops_at = [&](double threshold) {
      const auto [place, is_new] = known.try_emplace(threshold, 0.0);
      if (is_new) place->second = mean_loops(aside, threshold);
      return place->second;
    };
    const int most = *std::max_element(options_.loops.begin(), options_.loops.end());
    return threshold_grid(option_, options_.grid, most, loops_at);
  }

 private:
  const Model& model_;
  const RiskTask& task_;
  const ExitChoice& rule_;
  const CalibrationOptions& options_;
  ThresholdOption option_;
};

/// What the thresholds that were tried say of the rule, where that is nothing.
void require_leaving(const Calibration& result, const ExitChoice& rule, double fewest) {
  const double safest = result.rows.front().loops_per_token;
  const double boldest = result.rows.back().loops_per_token;
  if (boldest > result.full_loops - kTolerance) {
    throw Error("exit {}: no token leaves at any of the thresholds, up to {}={}; try bolder ones", rule.text,
                result.key, result.rows.back().threshold);
  }
  if (safest < fewest + kTolerance) {
    throw Error("exit {}: every token leaves as soon as it may from {}={} on; try safer ones", rule.text, result.key,
                result.rows.front().threshold);
  }
}

}  // namespace

Calibration calibrate(const Model& model, const RiskTask& task, const ExitChoice& rule,
                      const CalibrationOptions& options, const ProgressSink& progress) {
  if (model.spec().looped_groups().empty()) throw Error("this model has no looped group, so no token can leave one");
  const std::size_t most = options.most_documents > 0 ? options.most_documents : task.documents;
  const std::size_t documents = std::min(task.documents, most);
  const std::size_t aside = set_aside(options, documents);
  require_enough(documents, aside, options.target);
  const Trial trial(model, task, rule, options);
  if (!options.thresholds.empty()) (void)from_safest(options.thresholds, trial.option(), rule);
  const std::vector<std::size_t> order = drawn_order(task.documents, options.seed);
  const std::span<const std::size_t> probes = std::span(order).first(std::max<std::size_t>(1, aside));
  const std::span<const std::size_t> tested = std::span(order).first(documents).subspan(aside);
  const double fewest = trial.require_choice(probes);

  Calibration result;
  std::vector<ExitChoice> rules;
  for (const double threshold : trial.thresholds(probes)) {
    rules.push_back(trial.at(threshold));
    result.rows.push_back({threshold, rules.back(), {}, 0});
  }
  rules.push_back(parse_exit("fixed"));
  const auto outcomes = trial.run(tested, rules, progress);
  LossTable losses(tested.size(), result.rows.size());
  for (std::size_t d = 0; d < tested.size(); ++d) {
    for (std::size_t k = 0; k < result.rows.size(); ++k) losses.at(k)[d] = outcomes[d][k].loss;
    result.full_risk += outcomes[d].back().loss / static_cast<double>(tested.size());
  }
  const RiskChoice choice = choose_threshold(losses, options.target);
  for (std::size_t k = 0; k < result.rows.size(); ++k) {
    result.rows[k].test = choice.tests[k];
    result.rows[k].loops_per_token = Trial::loops_of(outcomes, k);
  }
  result.chosen = choice.chosen;
  result.documents = tested.size();
  result.set_aside = aside;
  result.full_loops = Trial::loops_of(outcomes, result.rows.size());
  result.key = trial.option().key;
  require_leaving(result, rule, fewest);
  return result;
}

}  // namespace gyre
