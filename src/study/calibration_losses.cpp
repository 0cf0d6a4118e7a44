#include "study/calibration_losses.hpp"

#include <algorithm>
#include <memory>

#include "base/enum_name.hpp"
#include "base/error.hpp"
#include "study/windows.hpp"

namespace gyre {
namespace {

constexpr EnumName<Risk> kRisks[] = {
    {Risk::disagreement, "disagreement"}, {Risk::kl, "kl"}, {Risk::rise, "rise"}, {Risk::error, "error"}};

double looped_loops(const TokenDepth& depth, const ModelSpec& spec) {
  double loops = 0;
  for (const int group : spec.looped_groups()) loops += depth.loops[static_cast<std::size_t>(group)];
  return loops;
}

double loss_of(const ScoreSums& sums, const RiskOptions& options) {
  const auto tokens = static_cast<double>(sums.tokens);
  switch (options.risk) {
    case Risk::kl:
      return clipped(sums.kl / tokens, options.clip);
    case Risk::rise:
      return clipped((sums.cross_entropy - sums.reference_cross_entropy) / tokens, options.clip);
    default:
      return 1 - static_cast<double>(sums.same_choice) / tokens;
  }
}

/// Positions of the text, whatever the model would have said there.
class ForcedText {
 public:
  ForcedText(const Model& model, const MeasuredText& text, const EvaluationOptions& options, const RiskOptions& risk)
      : model_(model), options_(options), risk_(risk) {
    std::int64_t place = 0;
    for (const std::vector<std::int32_t>& document : text.documents) {
      windows_.push_back(cut_windows({{document}, text.prefix}, model.spec(), {options.window, options.score_from}));
      for (Window& window : windows_.back()) window.begin += place;
      place += static_cast<std::int64_t>(document.size());
    }
  }

  std::vector<DocumentOutcome> run(Engine& engine, std::size_t document, std::span<const ExitChoice> rules) const {
    std::vector<DocumentOutcome> outcomes(rules.size());
    std::vector<ScoreSums> sums(rules.size());
    for (const Window& window : windows_[document]) {
      const std::size_t vocabulary = static_cast<std::size_t>(model_.spec().vocab_size);
      std::vector<float> full(window.inputs().size() * vocabulary);
      decode(engine, window, nullptr, [&](std::size_t t, std::span<const float> log_p, const TokenDepth&) {
        std::copy(log_p.begin(), log_p.end(), full.begin() + static_cast<std::ptrdiff_t>(t * vocabulary));
      });
      for (std::size_t r = 0; r < rules.size(); ++r) {
        BoundedExit exit(rules[r], {model_.spec(), options_.loops, {}}, document);
        decode(engine, window, &exit, [&](std::size_t t, std::span<const float> log_p, const TokenDepth& depth) {
          if (t < window.first) return;
          const std::int32_t target = window.targets()[t];
          sums[r].add(target, log_p);
          sums[r].compare(target, std::span(full).subspan(t * vocabulary, vocabulary), log_p);
          outcomes[r].loops += looped_loops(depth, model_.spec());
        });
      }
    }
    for (std::size_t r = 0; r < rules.size(); ++r) {
      outcomes[r].tokens = static_cast<double>(sums[r].tokens);
      outcomes[r].loss = loss_of(sums[r], risk_);
    }
    return outcomes;
  }

 private:
  using Each = std::function<void(std::size_t t, std::span<const float> log_p, const TokenDepth& depth)>;

  void decode(Engine& engine, const Window& window, BoundedExit* exit, const Each& each) const {
    Sequence sequence = start_sequence(engine, options_);
    std::vector<float> log_p(static_cast<std::size_t>(model_.spec().vocab_size));
    TokenDepth depth;
    for (std::size_t t = 0; t < window.inputs().size(); ++t) {
      options_.stop.check();
      log_probabilities(engine.decode(sequence, window.inputs()[t], exit, depth), log_p, window.place_of_target(t));
      each(t, log_p, depth);
    }
  }

  const Model& model_;
  EvaluationOptions options_;
  RiskOptions risk_;
  std::vector<std::vector<Window>> windows_;  ///< of each document
};

/// Texts that go on from a document's beginning by what the model says itself.
class FreeText {
 public:
  FreeText(const Model& model, const MeasuredText& text, const EvaluationOptions& options, const RiskOptions& risk)
      : model_(model), options_(options), risk_(risk) {
    options_.window = static_cast<int>(text.prefix.size()) + risk.prompt_tokens + risk.free_tokens;
    if (options_.window > model.spec().context) {
      throw Error("a prompt of {} tokens and {} behind it are more than the context of {}; generate fewer",
                  options_.window - risk.free_tokens, risk.free_tokens, model.spec().context);
    }
    for (const std::vector<std::int32_t>& document : text.documents) {
      require_in_vocabulary(document, model.spec());
      std::vector<std::int32_t>& prompt = prompts_.emplace_back(text.prefix);
      const std::size_t count = std::min(document.size(), static_cast<std::size_t>(risk.prompt_tokens));
      prompt.insert(prompt.end(), document.begin(), document.begin() + static_cast<std::ptrdiff_t>(count));
    }
  }

  std::vector<DocumentOutcome> run(Engine& engine, std::size_t document, std::span<const ExitChoice> rules) const {
    DocumentOutcome ignored;
    const std::vector<std::int32_t> full = generate(engine, document, nullptr, ignored);
    std::vector<DocumentOutcome> outcomes(rules.size());
    for (std::size_t r = 0; r < rules.size(); ++r) {
      BoundedExit exit(rules[r], {model_.spec(), options_.loops, {}}, document);
      const std::vector<std::int32_t> text = generate(engine, document, &exit, outcomes[r]);
      int differ = 0;
      for (std::size_t t = 0; t < full.size(); ++t) differ += text[t] == full[t] ? 0 : 1;
      outcomes[r].loss = differ / static_cast<double>(full.size());
    }
    return outcomes;
  }

 private:
  /// As `gyre generate` does it: all of the prompt but its last token at once, at full depth.
  std::vector<std::int32_t> generate(Engine& engine, std::size_t document, BoundedExit* exit,
                                     DocumentOutcome& outcome) const {
    const std::span<const std::int32_t> prompt = prompts_[document];
    Sequence sequence = start_sequence(engine, options_);
    if (prompt.size() > 1) engine.prefill(sequence, prompt.first(prompt.size() - 1), Engine::Logits::none);
    std::vector<std::int32_t> text;
    std::vector<float> log_p(static_cast<std::size_t>(model_.spec().vocab_size));
    TokenDepth depth;
    std::int32_t token = prompt.back();
    for (int t = 0; t < risk_.free_tokens; ++t) {
      options_.stop.check();
      log_probabilities(engine.decode(sequence, token, exit, depth), log_p,
                        static_cast<std::int64_t>(prompt.size()) + t);
      token = static_cast<std::int32_t>(likeliest(log_p));
      text.push_back(token);
      outcome.loops += looped_loops(depth, model_.spec());
      outcome.tokens += 1;
    }
    return text;
  }

  const Model& model_;
  EvaluationOptions options_;
  RiskOptions risk_;
  std::vector<std::vector<std::int32_t>> prompts_;
};

}  // namespace

Risk parse_risk(const std::string& text, const std::string& flag) {
  return parse_enum<Risk>(kRisks, text, flag, "risk");
}

std::string_view name_of(Risk risk) { return name_of<Risk>(kRisks, risk); }

double clipped(double nats, double clip) { return std::clamp(nats, 0.0, clip) / clip; }

RiskTask text_task(const Model& model, const MeasuredText& text, const EvaluationOptions& options,
                   const RiskOptions& risk) {
  constexpr std::size_t kLeast = 2;
  for (std::size_t d = 0; d < text.documents.size(); ++d) {
    if (text.documents[d].size() >= kLeast) continue;
    throw Error("document {} of {} has {} tokens; give documents of at least {}", d + 1, text.documents.size(),
                text.documents[d].size(), kLeast);
  }
  const auto make = [&](auto trial) -> RiskTask {
    return {text.documents.size(),
            [trial = std::move(trial)](Engine& engine, std::size_t document, std::span<const ExitChoice> rules) {
              return trial->run(engine, document, rules);
            }};
  };
  if (risk.free_tokens > 0) return make(std::make_shared<const FreeText>(model, text, options, risk));
  return make(std::make_shared<const ForcedText>(model, text, options, risk));
}

RiskTask examples_task(const Model& model, const Tokenizer& tokenizer, std::span<const Example> examples,
                       const EvaluationOptions& options) {
  const auto run = [&model, &tokenizer, examples, options](Engine& engine, std::size_t document,
                                                           std::span<const ExitChoice> rules) {
    std::vector<DocumentOutcome> outcomes;
    for (const ExitChoice& rule : rules) {
      BoundedExit exit(rule, {model.spec(), options.loops, {}}, document);
      const ExampleOutcome one = answer_example(engine, tokenizer, examples[document], exit, options);
      outcomes.push_back({one.right ? 0.0 : 1.0, one.answer_loops, one.answer_tokens});
    }
    return outcomes;
  };
  return {examples.size(), run};
}

}  // namespace gyre
