#include <algorithm>
#include <chrono>
#include <map>

#include "study/evaluation.hpp"
#include "study/jobs.hpp"

namespace gyre {
namespace {

/// What one rule made of one example.
struct Outcome {
  bool right = false;
  double answer_loops = 0;  ///< over the looped groups, of the passes that chose the answer
  double answer_tokens = 0;
  double tokens = 0;
  double milliseconds = 0;
};

class ExampleEvaluation {
 public:
  ExampleEvaluation(const Model& model, const Tokenizer& tokenizer, const EvaluationOptions& options)
      : looped_(model.spec().looped_groups()), tokenizer_(tokenizer), options_(options) {}

  Outcome answer(Engine& engine, const Example& example, BoundedExit& exit) const {
    using Clock = std::chrono::steady_clock;
    const std::vector<std::int32_t> prompt = tokenizer_.encode(example.prompt);
    const std::vector<std::int32_t> wanted = tokenizer_.encode(example.answer);
    Sequence sequence =
        engine.start(options_.loops, options_.window, options_.kv_policy, options_.seed, options_.start);
    Outcome outcome;
    outcome.right = true;
    TokenDepth depth;
    const auto begin = Clock::now();
    for (std::size_t t = 0; t + 1 < prompt.size(); ++t) engine.decode(sequence, prompt[t], &exit, depth);
    std::int32_t token = prompt.back();
    for (const std::int32_t right : wanted) {
      const std::span<const float> logits = engine.decode(sequence, token, &exit, depth);
      token = static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
      outcome.right = outcome.right && token == right;
      for (const int group : looped_) outcome.answer_loops += depth.loops[static_cast<std::size_t>(group)];
      outcome.answer_tokens += 1;
    }
    outcome.milliseconds = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
    outcome.tokens = static_cast<double>(prompt.size() + wanted.size() - 1);
    return outcome;
  }

 private:
  std::vector<int> looped_;
  const Tokenizer& tokenizer_;
  const EvaluationOptions& options_;
};

ExamplesResult summarise(const std::string& rule, std::span<const Example> examples,
                         std::span<const Outcome> outcomes) {
  constexpr int kAll = -1;
  std::map<int, LevelResult> levels;
  double milliseconds = 0;
  double tokens = 0;
  for (std::size_t e = 0; e < examples.size(); ++e) {
    const Outcome& outcome = outcomes[e];
    for (const int number : {examples[e].level, kAll}) {
      LevelResult& level = levels[number];
      level.level = number;
      level.examples += 1;
      level.right += outcome.right ? 1 : 0;
      level.loops_per_token += outcome.answer_loops / outcome.answer_tokens;
    }
    milliseconds += outcome.milliseconds;
    tokens += outcome.tokens;
  }
  ExamplesResult result{rule, {}, milliseconds / tokens};
  for (auto& [number, level] : levels) {
    level.loops_per_token /= static_cast<double>(level.examples);
    result.levels.push_back(level);
  }
  std::rotate(result.levels.begin(), result.levels.begin() + 1, result.levels.end());  // "all" stands last
  return result;
}

}  // namespace

std::vector<ExamplesResult> evaluate_examples(const Model& model, const Tokenizer& tokenizer,
                                              std::span<const Example> examples, std::span<const ExitChoice> rules,
                                              const EvaluationOptions& options, const ProgressSink& progress) {
  const ExitContext context{model.spec(), options.loops, {}};
  check_rules(rules, context);
  const ExampleEvaluation evaluation(model, tokenizer, options);
  std::vector<std::vector<Outcome>> outcomes(rules.size(), std::vector<Outcome>(examples.size()));
  const auto job = [&](Engine& engine, std::size_t e) {
    for (std::size_t r = 0; r < rules.size(); ++r) {
      BoundedExit exit(rules[r], context, e);
      outcomes[r][e] = evaluation.answer(engine, examples[e], exit);
    }
  };
  run_jobs(model, examples.size(), options.threads, job, progress, {0, static_cast<std::int64_t>(examples.size())});

  std::vector<ExamplesResult> results;
  for (std::size_t r = 0; r < rules.size(); ++r) results.push_back(summarise(rules[r].text, examples, outcomes[r]));
  return results;
}

}  // namespace gyre
