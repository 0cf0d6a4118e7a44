#include "study/tasks/task_scoring.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "engine/probabilities.hpp"
#include "study/stopwatch.hpp"
#include "study/tasks/requests.hpp"

namespace gyre {
namespace {

/// A context that was put in: what it says of the next token, and what later tokens read of it.
struct Asked {
  std::vector<std::int32_t> context;
  Sequence sequence;
  std::vector<float> logits;
  TokenDepth depth;
};

/// One item on one engine under one rule.
class ItemScoring {
 public:
  ItemScoring(Engine& engine, const TaskItem& item, const TaskOptions& options, BoundedExit* exit)
      : engine_(engine), item_(item), options_(options), exit_(exit), looped_(engine.model().spec().looped_groups()) {}

  Asked ask(std::span<const std::int32_t> context) {
    Asked asked{{context.begin(), context.end()}, start_sequence(engine_, options_.run), {}, {options_.run.loops, {}}};
    std::span<const float> logits;
    if (exit_ == nullptr) {
      logits = engine_.prefill(asked.sequence, context, Engine::Logits::last);
    } else {
      const auto note = [this](const TokenDepth& depth) { depths_[depth.loops] += 1; };
      logits = put_prompt_in(engine_, asked.sequence, context, *exit_, options_.run, asked.depth, note);
      if (logits.empty()) logits = decode(asked.sequence, context.back(), asked.depth);
    }
    asked.logits.assign(logits.begin(), logits.end());
    return asked;
  }

  AnswerScore score(const Asked& asked, std::span<const std::int32_t> continuation) {
    AnswerScore result{0, 0, true};
    count(asked.logits, continuation.front(), asked.depth, result);
    const auto rest = continuation.first(continuation.size() - 1);
    if (rest.empty()) return result;
    Sequence sequence = asked.sequence.fork();
    if (exit_ == nullptr) {
      const std::span<const float> logits = engine_.prefill(sequence, rest, Engine::Logits::all);
      const std::size_t vocabulary = logits.size() / rest.size();
      for (std::size_t t = 0; t < rest.size(); ++t) {
        count(logits.subspan(t * vocabulary, vocabulary), continuation[t + 1], {options_.run.loops, {}}, result);
      }
      return result;
    }
    TokenDepth depth;
    for (std::size_t t = 0; t < rest.size(); ++t) {
      options_.run.stop.check();
      count(decode(sequence, rest[t], depth), continuation[t + 1], depth, result);
    }
    return result;
  }

  /// Appends the likeliest tokens until the text holds one of `stops`, the model ends it, or there are enough.
  std::string generate(Asked asked, const Language& language, std::span<const std::string_view> stops) {
    const Tokenizer& tokenizer = language.tokenizer;
    const auto known = static_cast<std::size_t>(std::min(engine_.model().spec().vocab_size, tokenizer.size()));
    StreamDecoder decoder(tokenizer);
    std::string text;
    std::vector<float> logits = std::move(asked.logits);
    for (int made = 0;;) {
      options_.run.stop.check();
      require_finite(logits);
      const auto token = static_cast<std::int32_t>(likeliest(std::span(logits).first(known)));
      add_loops(asked.depth);
      const auto& ends = language.end_tokens;
      if (std::find(ends.begin(), ends.end(), token) != ends.end()) break;
      if (!is_special(tokenizer, token)) text += decoder.push(token);
      const auto is_in_text = [&](std::string_view stop) { return text.find(stop) != std::string::npos; };
      if (++made == options_.answer_tokens || std::any_of(stops.begin(), stops.end(), is_in_text)) break;
      const std::span<const float> next = decode(asked.sequence, token, asked.depth);
      logits.assign(next.begin(), next.end());
    }
    text += decoder.flush();
    for (const std::string_view stop : stops) text.resize(std::min(text.size(), text.find(stop)));
    return text;
  }

  [[nodiscard]] double loops() const { return loops_; }
  [[nodiscard]] double tokens() const { return tokens_; }
  [[nodiscard]] const std::map<std::vector<int>, double>& depths() const { return depths_; }

 private:
  static bool is_special(const Tokenizer& tokenizer, std::int32_t token) {
    const std::vector<AddedToken>& added = tokenizer.added_tokens();
    return std::any_of(added.begin(), added.end(),
                       [token](const AddedToken& one) { return one.id == token && one.special; });
  }

  void require_finite(std::span<const float> logits) const {
    if (std::all_of(logits.begin(), logits.end(), [](float logit) { return std::isfinite(logit); })) return;
    throw Error(
        "{}: the logits behind it are not finite; its weights or the number of loops are not what the model "
        "was trained for",
        item_.where);
  }

  std::span<const float> decode(Sequence& sequence, std::int32_t token, TokenDepth& depth) {
    const std::span<const float> logits = engine_.decode(sequence, token, exit_, depth);
    if (exit_ != nullptr) depths_[depth.loops] += 1;
    return logits;
  }

  void add_loops(const TokenDepth& depth) {
    tokens_ += 1;
    for (const int group : looped_) loops_ += depth.loops[static_cast<std::size_t>(group)];
  }

  void count(std::span<const float> logits, std::int32_t token, const TokenDepth& depth, AnswerScore& result) {
    require_finite(logits);
    log_p_.resize(logits.size());
    log_softmax(logits, log_p_);
    result.log_likelihood += static_cast<double>(log_p_[static_cast<std::size_t>(token)]);
    result.greedy = result.greedy && likeliest(logits) == static_cast<std::size_t>(token);
    result.tokens += 1;
    add_loops(depth);
  }

  Engine& engine_;
  const TaskItem& item_;
  const TaskOptions& options_;
  BoundedExit* exit_;
  std::vector<int> looped_;
  std::vector<float> log_p_;
  double loops_ = 0;
  double tokens_ = 0;
  std::map<std::vector<int>, double> depths_;
};

/// The first choice of the highest value.
template <typename Value>
std::size_t best(const std::vector<AnswerScore>& answers, Value value) {
  std::size_t at = 0;
  for (std::size_t i = 1; i < answers.size(); ++i) {
    if (value(i) > value(at)) at = i;
  }
  return at;
}

void score_answers(ItemScoring& scoring, const Tokenizer& tokenizer, const TaskItem& item, const TaskOptions& options,
                   TaskOutcome& outcome) {
  std::optional<Asked> asked;
  for (const TaskChoice& choice : item.choices) {
    const TaskRequest request = choice_request(choice, tokenizer, options.run.window, item.where);
    outcome.dropped = std::max(outcome.dropped, request.dropped);
    if (!asked || asked->context != request.context) asked.emplace(scoring.ask(request.context));
    outcome.answers.push_back(scoring.score(*asked, request.continuation));
  }
  const std::vector<AnswerScore>& answers = outcome.answers;
  outcome.chosen = best(answers, [&](std::size_t i) { return answers[i].log_likelihood; });
  outcome.chosen_normed = best(
      answers, [&](std::size_t i) { return answers[i].log_likelihood / static_cast<double>(item.choices[i].length); });
}

}  // namespace

TaskOutcome score_item(Engine& engine, const Language& language, const TaskItem& item, const TaskOptions& options,
                       BoundedExit* exit) {
  // What ends an answer to a problem of GSM8K in lm-evaluation-harness.
  static constexpr std::string_view kStops[] = {"Question:", "</s>", "<|im_end|>"};
  TaskOutcome outcome;
  ItemScoring scoring(engine, item, options, exit);
  const Stopwatch watch;
  if (item.kind == TaskKind::number) {
    const TaskRequest request = generation_request(item.choices.front().context, language.tokenizer, options.run.window,
                                                   options.answer_tokens, item.where);
    outcome.dropped = request.dropped;
    outcome.text = scoring.generate(scoring.ask(request.context), language, kStops);
  } else {
    score_answers(scoring, language.tokenizer, item, options, outcome);
  }
  outcome.milliseconds = watch.milliseconds();
  outcome.loops = scoring.loops();
  outcome.tokens = scoring.tokens();
  outcome.depths = scoring.depths();
  return outcome;
}

}  // namespace gyre
