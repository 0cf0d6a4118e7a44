#include "study/evaluation.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <numbers>
#include <numeric>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "engine/probabilities.hpp"
#include "study/jobs.hpp"
#include "study/statistics.hpp"
#include "study/windows.hpp"

namespace gyre {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

/// Counts of one rule on one window or example.
struct Tally {
  double cross_entropy = 0;
  double kl = 0;
  double bytes = 0;
  double milliseconds = 0;
  std::int64_t tokens = 0;
  std::map<std::vector<int>, double> depths;  ///< tokens by their loops in every group
};

class TextEvaluation {
 public:
  TextEvaluation(const Model& model, const Tokenizer& tokenizer, const EvaluationOptions& options)
      : model_(model), tokenizer_(tokenizer), options_(options) {}

  /// Log-probabilities at full depth, [n, vocabulary].
  std::vector<float> full_depth(Engine& engine, const Window& window) const {
    Sequence sequence = start(engine);
    const std::span<const float> logits = engine.prefill(sequence, window.inputs, Engine::Logits::all);
    std::vector<float> log_probabilities(logits.size());
    const std::size_t vocabulary = vocabulary_size();
    for (std::size_t t = 0; t < window.inputs.size(); ++t) {
      log_softmax(logits.subspan(t * vocabulary, vocabulary),
                  std::span(log_probabilities).subspan(t * vocabulary, vocabulary));
    }
    return log_probabilities;
  }

  /// The window at once, at full depth.
  Tally run_at_once(Engine& engine, const Window& window) const {
    Sequence sequence = start(engine);
    const std::size_t n = window.inputs.size();
    const auto begin = Clock::now();
    const std::span<const float> logits = engine.prefill(sequence, window.inputs, Engine::Logits::all);
    const double milliseconds = milliseconds_since(begin);
    std::vector<float> log_probabilities(vocabulary_size());
    Tally tally;
    for (auto t = static_cast<std::size_t>(options_.score_from); t < n; ++t) {
      log_softmax(logits.subspan(t * log_probabilities.size(), log_probabilities.size()), log_probabilities);
      score(window.targets[t], log_probabilities, {options_.loops, {}}, tally);
      tally.milliseconds += milliseconds / static_cast<double>(n);
    }
    return tally;
  }

  /// The window token by token.
  Tally run(Engine& engine, const Window& window, BoundedExit& exit, std::span<const float> full) const {
    Sequence sequence = start(engine);
    const std::size_t vocabulary = vocabulary_size();
    std::vector<float> log_probabilities(vocabulary);
    Tally tally;
    TokenDepth depth;
    for (std::size_t t = 0; t < window.inputs.size(); ++t) {
      require_not_interrupted();
      const auto begin = Clock::now();
      const std::span<const float> logits = engine.decode(sequence, window.inputs[t], &exit, depth);
      const double milliseconds = milliseconds_since(begin);
      if (static_cast<int>(t) < options_.score_from) continue;
      tally.milliseconds += milliseconds;
      log_softmax(logits, log_probabilities);
      score(window.targets[t], log_probabilities, depth, tally);
      tally.kl += kl_divergence(full.subspan(t * vocabulary, vocabulary), log_probabilities);
    }
    return tally;
  }

 private:
  void score(std::int32_t target, std::span<const float> log_probabilities, const TokenDepth& depth,
             Tally& tally) const {
    tally.cross_entropy -= static_cast<double>(log_probabilities[static_cast<std::size_t>(target)]);
    tally.bytes += static_cast<double>(tokenizer_.piece(target).size());
    tally.depths[depth.loops] += 1;
    ++tally.tokens;
  }

  [[nodiscard]] std::size_t vocabulary_size() const { return static_cast<std::size_t>(model_.spec().vocab_size); }
  [[nodiscard]] Sequence start(const Engine& engine) const {
    return engine.start(options_.loops, options_.window, options_.kv_policy, options_.seed, options_.start);
  }

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
  RuleResult result;
  result.rule = rule;
  result.depth_vectors = depths_of(tallies, spec);
  result.depths = histograms_of(result.depth_vectors, loops);
  std::vector<double> losses;
  std::vector<double> tokens;
  double bytes = 0;
  for (const Tally& tally : tallies) {
    losses.push_back(tally.cross_entropy);
    tokens.push_back(static_cast<double>(tally.tokens));
    result.tokens += tally.tokens;
    result.kl_to_full += tally.kl;
    result.milliseconds_per_token += tally.milliseconds;
    bytes += tally.bytes;
  }
  const auto count = static_cast<double>(result.tokens);
  const double total_loss = std::accumulate(losses.begin(), losses.end(), 0.0);
  result.cross_entropy = total_loss / count;
  const Interval interval = bootstrap_ratio(losses, tokens, 1);
  result.cross_entropy_low = interval.low;
  result.cross_entropy_high = interval.high;
  result.perplexity = std::exp(result.cross_entropy);
  result.bits_per_byte = total_loss / std::numbers::ln2 / bytes;
  result.kl_to_full /= count;
  result.milliseconds_per_token /= count;
  for (const DepthHistogram& histogram : result.depths) {
    for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
      result.loops_per_token += histogram.counts[i] * static_cast<double>(i + 1) / count;
    }
  }
  return result;
}

bool needs_another_rule(const ExitChoice& rule) { return rule.options.contains("like"); }

}  // namespace

std::vector<RuleResult> evaluate_text(const Model& model, const Tokenizer& tokenizer,
                                      std::span<const std::int32_t> tokens, std::span<const ExitChoice> rules,
                                      const EvaluationOptions& options, const ProgressSink& progress) {
  const std::vector<Window> windows = cut_windows(tokens, model.spec(), options);
  check_rules(rules, {model.spec(), options.loops, {}});
  const TextEvaluation evaluation(model, tokenizer, options);
  std::vector<std::vector<Tally>> tallies(rules.size(), std::vector<Tally>(windows.size()));
  std::vector<DepthVectors> measured(rules.size());

  const bool second_pass = std::any_of(rules.begin(), rules.end(), needs_another_rule);
  const auto total = static_cast<std::int64_t>(windows.size()) * (second_pass ? 2 : 1);
  for (const bool second : {false, true}) {
    if (second && !second_pass) break;
    const ExitContext context{model.spec(), options.loops, second ? measured : decltype(measured){}};
    const auto job = [&](Engine& engine, std::size_t w) {
      const std::vector<float> full = evaluation.full_depth(engine, windows[w]);
      for (std::size_t i = 0; i < rules.size(); ++i) {
        const std::size_t r = (i + w) % rules.size();  // every rule is first on some windows
        if (needs_another_rule(rules[r]) != second) continue;
        BoundedExit exit(rules[r], context, w);
        tallies[r][w] = evaluation.run(engine, windows[w], exit, full);
      }
    };
    run_jobs(model, windows.size(), options.threads, job, progress,
             {second ? static_cast<std::int64_t>(windows.size()) : 0, total});
    for (std::size_t r = 0; r < rules.size(); ++r) measured[r] = depths_of(tallies[r], model.spec());
  }

  std::vector<RuleResult> results;
  for (std::size_t r = 0; r < rules.size(); ++r) {
    results.push_back(summarise(rules[r].text, tallies[r], model.spec(), options.loops));
  }
  return results;
}

RuleResult evaluate_prefill(const Model& model, const Tokenizer& tokenizer, std::span<const std::int32_t> tokens,
                            const EvaluationOptions& options, const ProgressSink& progress) {
  const std::vector<Window> windows = cut_windows(tokens, model.spec(), options);
  const TextEvaluation evaluation(model, tokenizer, options);
  std::vector<Tally> tallies(windows.size());
  const auto job = [&](Engine& engine, std::size_t w) { tallies[w] = evaluation.run_at_once(engine, windows[w]); };
  run_jobs(model, windows.size(), options.threads, job, progress, {0, static_cast<std::int64_t>(windows.size())});
  return summarise("prefill", tallies, model.spec(), options.loops);
}

}  // namespace gyre
