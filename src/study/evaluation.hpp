#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/stop.hpp"
#include "engine/generate.hpp"
#include "study/measured_text.hpp"
#include "study/scores.hpp"
#include "text/examples.hpp"
#include "text/tokenizer.hpp"

namespace gyre {

struct EvaluationOptions {
  std::vector<int> loops;  ///< full depth, per group
  KvPolicy kv_policy;
  NoiseStart start = NoiseStart::noise;
  TestNoise test_noise = {};
  PromptExit prompt_exit = PromptExit::each;  ///< of examples
  std::uint64_t seed = 1;
  int window = 0;      ///< positions that share a context, the prefix included; each window starts afresh
  int score_from = 0;  ///< positions of a window before this one are context only
  int threads = 1;     ///< windows run side by side, each on one thread
  Stop stop = {};
};

/// What happened under one exit rule. The score's KL is KL(full depth ‖ rule).
struct RuleResult {
  std::string rule;
  TextScore score;
  double loops_per_token = 0;          ///< over the looped groups together
  std::vector<DepthHistogram> depths;  ///< of the looped groups
  DepthVectors depth_vectors;          ///< the same, all looped groups of a token together
  /// Loops whose states were read, where that may be fewer than ran (save=no, end=check); nothing where all were added.
  std::optional<double> loops_read_per_token = {};
};

/// The row that is no exit rule: full depth, each window put in at once as a prompt is. Its milliseconds are those of a
/// window spread over its tokens.
inline constexpr std::string_view kAtOnce = "prefill";
ExitChoice at_once();

/// A text to measure on.
Sequence start_sequence(const Engine& engine, const EvaluationOptions& options);

/// Puts a prompt into a sequence as prompt_exit says: all but its last token, which is left to be decoded; or all of
/// it, which gives the logits of the token that follows, and how deep that went.
/// `passed` is told of every token that goes in by itself.
std::span<const float> put_prompt_in(Engine& engine, Sequence& sequence, std::span<const std::int32_t> prompt,
                                     BoundedExit& exit, const EvaluationOptions& options, TokenDepth& depth,
                                     const std::function<void(const TokenDepth& depth)>& passed = {});

/// Called after every finished piece of work with the share done so far.
using ProgressSink = std::function<void(std::int64_t done, std::int64_t total)>;

/// Decodes a text token by token under each rule, window by window, the rules in turn on each window so that the
/// machine's moods fall on all alike. Rules that need the histogram of another (random:like=N) run afterwards. Full
/// depth, which every rule is compared with, runs as the rules do: token by token under the same KV policy.
std::vector<RuleResult> evaluate_text(const Model& model, const Tokenizer& tokenizer, const MeasuredText& text,
                                      std::span<const ExitChoice> rules, const EvaluationOptions& options,
                                      const ProgressSink& progress);

/// The rules in the order in which window number `window` meets them: every rule is first on some windows.
std::vector<std::size_t> order_of_rules(std::size_t rules, std::size_t window);

/// Mean of the loops that the histograms count for `tokens` tokens, over their groups together.
double loops_per_token(std::span<const DepthHistogram> depths, std::int64_t tokens);

/// Accuracy and depth at one level of difficulty (level -1: all).
struct LevelResult {
  int level = 0;
  std::int64_t examples = 0;
  std::int64_t right = 0;
  double loops_per_token = 0;  ///< of the passes that chose the answer's tokens, over the looped groups together
  Estimate accuracy;           ///< share of the examples
};
struct ExamplesResult {
  std::string rule;
  std::vector<LevelResult> levels;  ///< ascending; the last one is all
  double milliseconds_per_token = 0;
  Estimate accuracy_minus_first;  ///< than the first rule of the run, paired example by example
};

/// What one rule made of one example.
struct ExampleOutcome {
  int level = 0;
  bool right = false;
  double answer_loops = 0;  ///< over the looped groups, of the passes that chose the answer
  double answer_tokens = 0;
  double tokens = 0;  ///< that were run
  double milliseconds = 0;
};
/// Answers an example greedily behind what begins every text of the model; every token, those of the prompt too, obeys
/// the rule, unless prompt_exit says otherwise.
ExampleOutcome answer_example(Engine& engine, const Tokenizer& tokenizer, const Example& example, BoundedExit& exit,
                              const EvaluationOptions& options);
ExamplesResult summarise_examples(const std::string& rule, std::span<const ExampleOutcome> outcomes);

/// Answers examples, each under each rule.
std::vector<ExamplesResult> evaluate_examples(const Model& model, const Tokenizer& tokenizer,
                                              std::span<const Example> examples, std::span<const ExitChoice> rules,
                                              const EvaluationOptions& options, const ProgressSink& progress);

}  // namespace gyre
