#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "text/examples.hpp"
#include "text/tokenizer.hpp"

namespace gyre {

struct EvaluationOptions {
  std::vector<int> loops;  ///< full depth, per group
  KvPolicy kv_policy;
  NoiseStart start = NoiseStart::noise;
  std::uint64_t seed = 1;
  int window = 0;      ///< tokens that share a context; each window starts afresh
  int score_from = 0;  ///< positions of a window before this one are context only
  int threads = 1;     ///< windows run side by side, each on one thread
};

/// What happened under one exit rule.
struct RuleResult {
  std::string rule;
  std::int64_t tokens = 0;
  double cross_entropy = 0;      ///< nats/token of what the rule's own logits predict
  double cross_entropy_low = 0;  ///< 95 % interval, bootstrap over windows
  double cross_entropy_high = 0;
  double perplexity = 0;
  double bits_per_byte = 0;
  double kl_to_full = 0;       ///< KL(full depth ‖ rule), nats/token
  double loops_per_token = 0;  ///< over the looped groups together
  double milliseconds_per_token = 0;
  std::vector<DepthHistogram> depths;  ///< of the looped groups
  DepthVectors depth_vectors;          ///< the same, all looped groups of a token together
};

/// Called after every finished piece of work with the share done so far.
using ProgressSink = std::function<void(std::int64_t done, std::int64_t total)>;

/// Decodes `tokens` token by token under each rule, window by window, the rules in turn on each window so that the
/// machine's moods fall on all alike. Rules that need the histogram of another (random:like=N) run afterwards.
std::vector<RuleResult> evaluate_text(const Model& model, const Tokenizer& tokenizer,
                                      std::span<const std::int32_t> tokens, std::span<const ExitChoice> rules,
                                      const EvaluationOptions& options, const ProgressSink& progress);

/// Quality at full depth alone: each window goes in at once, as a prompt does, and its logits are scored. One row named
/// "prefill"; its milliseconds are those of a window spread over its tokens.
RuleResult evaluate_prefill(const Model& model, const Tokenizer& tokenizer, std::span<const std::int32_t> tokens,
                            const EvaluationOptions& options, const ProgressSink& progress);

/// Accuracy and depth at one level of difficulty (level -1: all).
struct LevelResult {
  int level = 0;
  std::int64_t examples = 0;
  std::int64_t right = 0;
  double loops_per_token = 0;  ///< of the passes that chose the answer's tokens, over the looped groups together
};
struct ExamplesResult {
  std::string rule;
  std::vector<LevelResult> levels;  ///< ascending; the last one is all
  double milliseconds_per_token = 0;
};

/// Answers examples greedily; every token, those of the prompt too, obeys the rule.
std::vector<ExamplesResult> evaluate_examples(const Model& model, const Tokenizer& tokenizer,
                                              std::span<const Example> examples, std::span<const ExitChoice> rules,
                                              const EvaluationOptions& options, const ProgressSink& progress);

}  // namespace gyre
