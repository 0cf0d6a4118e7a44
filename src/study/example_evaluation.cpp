#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/at_place.hpp"
#include "base/error.hpp"
#include "study/evaluation.hpp"
#include "study/jobs.hpp"
#include "study/stopwatch.hpp"

namespace gyre {
namespace {

std::int32_t choice(std::span<const float> logits, const Example& example) {
  if (!std::all_of(logits.begin(), logits.end(), [](float logit) { return std::isfinite(logit); })) {
    throw Error("the examples: the logits behind \"{}\" are not finite", example.prompt);
  }
  return static_cast<std::int32_t>(likeliest(logits));
}

}  // namespace

std::span<const float> put_prompt_in(Engine& engine, Sequence& sequence, std::span<const std::int32_t> prompt,
                                     BoundedExit& exit, const EvaluationOptions& options, TokenDepth& depth,
                                     const std::function<void(const TokenDepth& depth)>& passed) {
  const auto before = prompt.first(prompt.size() - 1);
  switch (options.prompt_exit) {
    case PromptExit::each:
      for (const std::int32_t token : before) {
        engine.decode(sequence, token, &exit, depth);
        if (passed) passed(depth);
      }
      return {};
    case PromptExit::last:
      if (!before.empty()) engine.prefill(sequence, before, Engine::Logits::none);
      return {};
    case PromptExit::whole:
      return engine.prefill(sequence, prompt, Engine::Logits::last, exit, depth);
    case PromptExit::never:
      depth.loops = options.loops;
      return engine.prefill(sequence, prompt, Engine::Logits::last);
  }
  return {};
}

ExampleOutcome answer_example(Engine& engine, const Tokenizer& tokenizer, const Example& example, BoundedExit& exit,
                              const EvaluationOptions& options) {
  std::vector<std::int32_t> prompt = tokenizer.prefix_tokens();
  const auto encode = [&](const std::string& text) {
    return at_place(fmt::format("the examples, line {}", example.line), [&] { return tokenizer.encode(text); });
  };
  const std::vector<std::int32_t> question = encode(example.prompt);
  const std::vector<std::int32_t> wanted = encode(example.answer);
  prompt.insert(prompt.end(), question.begin(), question.end());
  if (prompt.empty() || wanted.empty()) {
    throw Error("the examples: the {} \"{}\" has no tokens", prompt.empty() ? "prompt" : "answer",
                prompt.empty() ? example.prompt : example.answer);
  }
  const std::vector<int> looped = engine.model().spec().looped_groups();
  Sequence sequence = start_sequence(engine, options);
  ExampleOutcome outcome;
  outcome.level = example.level;
  outcome.right = true;
  TokenDepth depth;
  const Stopwatch watch;
  std::span<const float> logits = put_prompt_in(engine, sequence, prompt, exit, options, depth);
  std::int32_t token = prompt.back();
  for (const std::int32_t right : wanted) {
    if (logits.empty()) logits = engine.decode(sequence, token, &exit, depth);
    token = choice(std::exchange(logits, {}), example);
    outcome.right = outcome.right && token == right;
    for (const int group : looped) outcome.answer_loops += depth.loops[static_cast<std::size_t>(group)];
    outcome.answer_tokens += 1;
  }
  outcome.milliseconds = watch.milliseconds();
  outcome.tokens = static_cast<double>(prompt.size() + wanted.size() - 1);
  return outcome;
}

ExamplesResult summarise_examples(const std::string& rule, std::span<const ExampleOutcome> outcomes) {
  constexpr int kAll = -1;
  std::map<int, LevelResult> levels;
  std::map<int, std::vector<double>> right;
  double milliseconds = 0;
  double tokens = 0;
  for (const ExampleOutcome& outcome : outcomes) {
    for (const int number : {outcome.level, kAll}) {
      LevelResult& level = levels[number];
      level.level = number;
      level.examples += 1;
      level.right += outcome.right ? 1 : 0;
      right[number].push_back(outcome.right ? 1 : 0);
      level.loops_per_token += outcome.answer_loops / outcome.answer_tokens;
    }
    milliseconds += outcome.milliseconds;
    tokens += outcome.tokens;
  }
  ExamplesResult result{rule, {}, milliseconds / tokens, {}};
  for (auto& [number, level] : levels) {
    level.loops_per_token /= static_cast<double>(level.examples);
    level.accuracy = Bootstrap(right[number].size()).ratio(right[number], std::vector<double>(right[number].size(), 1));
    result.levels.push_back(level);
  }
  std::rotate(result.levels.begin(), result.levels.begin() + 1, result.levels.end());  // "all" stands last
  return result;
}

std::vector<ExamplesResult> evaluate_examples(const Model& model, const Tokenizer& tokenizer,
                                              std::span<const Example> examples, std::span<const ExitChoice> rules,
                                              const EvaluationOptions& options, const ProgressSink& progress) {
  const ExitContext context{model.spec(), options.loops, {}};
  check_rules(rules, context);
  std::vector<std::vector<ExampleOutcome>> outcomes(rules.size(), std::vector<ExampleOutcome>(examples.size()));
  const auto job = [&](Engine& engine, std::size_t e) {
    for (std::size_t r = 0; r < rules.size(); ++r) {
      BoundedExit exit(rules[r], context, e);
      outcomes[r][e] = answer_example(engine, tokenizer, examples[e], exit, options);
    }
  };
  run_jobs(model, examples.size(), options.threads, options.stop, job, progress,
           {0, static_cast<std::int64_t>(examples.size())});

  std::vector<ExamplesResult> results;
  const Bootstrap bootstrap(examples.size());
  const std::vector<double> ones(examples.size(), 1);
  const auto right_of = [](const std::vector<ExampleOutcome>& all) {
    std::vector<double> right;
    for (const ExampleOutcome& outcome : all) right.push_back(outcome.right ? 1 : 0);
    return right;
  };
  for (std::size_t r = 0; r < rules.size(); ++r) {
    results.push_back(summarise_examples(rules[r].text, outcomes[r]));
    results.back().accuracy_minus_first = bootstrap.difference(right_of(outcomes[r]), right_of(outcomes.front()), ones);
  }
  return results;
}

}  // namespace gyre
