#include "study/evaluation.hpp"

#include <algorithm>
#include <map>

#include "study/jobs.hpp"
#include "study/stopwatch.hpp"
#include "study/windows.hpp"

namespace gyre {
namespace {

/// Counts of one rule on one window.
struct Tally {
  ScoreSums sums;
  std::map<std::vector<int>, double> depths;  ///< tokens by their loops in every group
  bool keeps = false;                         ///< whether other states than the last may be read
  bool adds = false;                          ///< whether states of all loops were added
  double read = 0;                            ///< loops of the looped groups whose states were read
};

class TextEvaluation {
 public:
  TextEvaluation(const Model& model, const Tokenizer& tokenizer, const EvaluationOptions& options)
      : model_(model), tokenizer_(tokenizer), options_(options) {}

  /// Log-probabilities at full depth, [n, vocabulary], token by token.
  std::vector<float> full_depth(Engine& engine, const Window& window) const {
    Sequence sequence = start(engine);
    const std::span<const std::int32_t> inputs = window.inputs();
    const std::size_t vocabulary = vocabulary_size();
    std::vector<float> full(inputs.size() * vocabulary);
    TokenDepth depth;
    for (std::size_t t = 0; t < inputs.size(); ++t) {
      options_.stop.check();
      log_probabilities(engine.decode(sequence, inputs[t], nullptr, depth),
                        std::span(full).subspan(t * vocabulary, vocabulary), window.place_of_target(t));
    }
    return full;
  }

  /// The window at once, at full depth.
  Tally run_at_once(Engine& engine, const Window& window) const {
    Sequence sequence = start(engine);
    const std::size_t n = window.inputs().size();
    const Stopwatch watch;
    const std::span<const float> logits = engine.prefill(sequence, window.inputs(), Engine::Logits::all);
    const double milliseconds = watch.milliseconds();
    std::vector<float> log_p(vocabulary_size());
    Tally tally;
    for (std::size_t t = window.first; t < n; ++t) {
      log_probabilities(logits.subspan(t * log_p.size(), log_p.size()), log_p, window.place_of_target(t));
      score(window.targets()[t], log_p, {options_.loops, {}}, tally);
      tally.sums.milliseconds += milliseconds / static_cast<double>(n);
    }
    return tally;
  }

  /// The window token by token.
  Tally run(Engine& engine, const Window& window, BoundedExit& exit, std::span<const float> full) const {
    Sequence sequence = start(engine);
    const std::size_t vocabulary = vocabulary_size();
    std::vector<float> log_p(vocabulary);
    Tally tally;
    TokenDepth depth;
    for (std::size_t t = 0; t < window.inputs().size(); ++t) {
      options_.stop.check();
      const Stopwatch watch;
      const std::span<const float> logits = engine.decode(sequence, window.inputs()[t], &exit, depth);
      const double milliseconds = watch.milliseconds();
      if (t < window.first) continue;
      tally.sums.milliseconds += milliseconds;
      log_probabilities(logits, log_p, window.place_of_target(t));
      const std::int32_t target = window.targets()[t];
      score(target, log_p, depth, tally);
      tally.sums.compare(target, full.subspan(t * vocabulary, vocabulary), log_p);
    }
    return tally;
  }

 private:
  void score(std::int32_t target, std::span<const float> log_p, const TokenDepth& depth, Tally& tally) const {
    tally.sums.add(target, log_p);
    tally.sums.bytes += static_cast<double>(tokenizer_.piece(target).size());
    tally.depths[depth.loops] += 1;
    tally.keeps = tally.keeps || !depth.read.empty();
    for (const int group : model_.spec().looped_groups()) {
      const int read = (depth.read.empty() ? depth.loops : depth.read)[static_cast<std::size_t>(group)];
      tally.adds = tally.adds || read == 0;
      tally.read += read;
    }
  }

  [[nodiscard]] std::size_t vocabulary_size() const { return static_cast<std::size_t>(model_.spec().vocab_size); }
  [[nodiscard]] Sequence start(const Engine& engine) const { return start_sequence(engine, options_); }

  const Model& model_;
  const Tokenizer& tokenizer_;
  const EvaluationOptions& options_;
};

/// Depths of the looped groups, over all windows.
DepthVectors depths_of(const std::vector<Tally>& tallies, const ModelSpec& spec) {
  DepthVectors vectors{spec.looped_groups(), {}, {}};
  std::map<std::vector<int>, double> counts;
  for (const Tally& tally : tallies) {
    for (const auto& [loops, count] : tally.depths) {
      std::vector<int> looped;
      for (const int group : vectors.groups) looped.push_back(loops[static_cast<std::size_t>(group)]);
      counts[looped] += count;
    }
  }
  for (const auto& [loops, count] : counts) {
    vectors.depths.push_back(loops);
    vectors.counts.push_back(count);
  }
  return vectors;
}

/// The same of each group by itself, up to the `most` loops of each.
std::vector<DepthHistogram> histograms_of(const DepthVectors& vectors, const std::vector<int>& most) {
  std::vector<DepthHistogram> histograms;
  for (std::size_t j = 0; j < vectors.groups.size(); ++j) {
    const auto group = static_cast<std::size_t>(vectors.groups[j]);
    DepthHistogram& histogram = histograms.emplace_back(DepthHistogram{vectors.groups[j], {}});
    histogram.counts.resize(static_cast<std::size_t>(most[group]));
    for (std::size_t i = 0; i < vectors.depths.size(); ++i) {
      histogram.counts[static_cast<std::size_t>(vectors.depths[i][j] - 1)] += vectors.counts[i];
    }
  }
  return histograms;
}

RuleResult summarise(const std::string& rule, const std::vector<Tally>& tallies, const ModelSpec& spec,
                     const std::vector<int>& loops) {
  std::vector<ScoreSums> sums;
  for (const Tally& tally : tallies) sums.push_back(tally.sums);
  RuleResult result{rule, score_of(sums), 0, {}, depths_of(tallies, spec)};
  result.depths = histograms_of(result.depth_vectors, loops);
  result.loops_per_token = loops_per_token(result.depths, result.score.tokens);
  const auto any = [&](bool Tally::*is) {
    return std::any_of(tallies.begin(), tallies.end(), [is](const Tally& tally) { return tally.*is; });
  };
  if (!any(&Tally::keeps) || any(&Tally::adds)) return result;
  double read = 0;
  for (const Tally& tally : tallies) read += tally.read;
  result.loops_read_per_token = read / static_cast<double>(result.score.tokens);
  return result;
}

bool needs_another_rule(const ExitChoice& rule) { return rule.options.contains("like"); }
bool is_at_once(const ExitChoice& rule) { return rule.kind == kAtOnce; }

}  // namespace

Sequence start_sequence(const Engine& engine, const EvaluationOptions& options) {
  Sequence sequence = engine.start(options.loops, options.window, options.kv_policy, options.seed, options.start);
  sequence.test_noise = options.test_noise;
  return sequence;
}

ExitChoice at_once() { return {std::string(kAtOnce), std::string(kAtOnce), {}}; }

std::vector<std::size_t> order_of_rules(std::size_t rules, std::size_t window) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < rules; ++i) order.push_back((i + window) % rules);
  return order;
}

double loops_per_token(std::span<const DepthHistogram> depths, std::int64_t tokens) {
  double loops = 0;
  for (const DepthHistogram& depth : depths) {
    for (std::size_t i = 0; i < depth.counts.size(); ++i) loops += depth.counts[i] * static_cast<double>(i + 1);
  }
  return loops / static_cast<double>(tokens);
}

std::vector<RuleResult> evaluate_text(const Model& model, const Tokenizer& tokenizer, const MeasuredText& text,
                                      std::span<const ExitChoice> rules, const EvaluationOptions& options,
                                      const ProgressSink& progress) {
  const std::vector<Window> windows = cut_windows(text, model.spec(), {options.window, options.score_from});
  for (const ExitChoice& rule : rules) {
    if (!is_at_once(rule) && rule_to_be_like(rule, rules) == 0) BoundedExit(rule, {model.spec(), options.loops, {}});
  }
  const TextEvaluation evaluation(model, tokenizer, options);
  std::vector<std::vector<Tally>> tallies(rules.size(), std::vector<Tally>(windows.size()));
  std::vector<DepthVectors> measured(rules.size());

  const bool any_decoded = !std::all_of(rules.begin(), rules.end(), is_at_once);
  const bool second_pass = std::any_of(rules.begin(), rules.end(), needs_another_rule);
  const auto total = static_cast<std::int64_t>(windows.size()) * (second_pass ? 2 : 1);
  for (const bool second : {false, true}) {
    if (second && !second_pass) break;
    const ExitContext context{model.spec(), options.loops, second ? measured : decltype(measured){}};
    const auto job = [&](Engine& engine, std::size_t w) {
      const std::vector<float> full = any_decoded ? evaluation.full_depth(engine, windows[w]) : std::vector<float>{};
      for (const std::size_t r : order_of_rules(rules.size(), w)) {
        if (needs_another_rule(rules[r]) != second) continue;
        if (is_at_once(rules[r])) {
          tallies[r][w] = evaluation.run_at_once(engine, windows[w]);
          continue;
        }
        BoundedExit exit(rules[r], context, w);
        tallies[r][w] = evaluation.run(engine, windows[w], exit, full);
      }
    };
    run_jobs(model, windows.size(), options.threads, options.stop, job, progress,
             {second ? static_cast<std::int64_t>(windows.size()) : 0, total});
    for (std::size_t r = 0; r < rules.size(); ++r) measured[r] = depths_of(tallies[r], model.spec());
  }

  std::vector<RuleResult> results;
  for (std::size_t r = 0; r < rules.size(); ++r) {
    results.push_back(summarise(rules[r].text, tallies[r], model.spec(), options.loops));
  }
  return results;
}

}  // namespace gyre
