#include "engine/generate.hpp"

#include <algorithm>
#include <chrono>
#include <deque>

#include "base/enum_name.hpp"
#include "base/error.hpp"

namespace gyre {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

TokenDepth full_depth(const Sequence& sequence) {
  TokenDepth depth{sequence.cache.loops(), {}};
  for (const int loops : depth.loops) depth.reasons.emplace_back(loops > 1 ? "end" : "");
  return depth;
}

constexpr EnumName<PromptExit> kPromptExits[] = {
    {PromptExit::last, "last"}, {PromptExit::each, "each"}, {PromptExit::whole, "whole"}, {PromptExit::never, "never"}};

/// All of the prompt but its last token; of one that goes in whole that too, and what it says of the next token.
std::span<const float> take_prompt(Engine& engine, Sequence& sequence, std::span<const std::int32_t> prompt,
                                   const GenerateOptions& options, BoundedExit* exit, std::vector<TokenDepth>& depths) {
  const bool as_one = options.prompt_exit == PromptExit::whole && exit != nullptr;
  const bool whole = sequence.whole_prompt || as_one || options.prompt_exit == PromptExit::never;
  const auto together = whole ? prompt : prompt.first(prompt.size() - 1);
  if (together.empty()) return {};
  const Engine::Logits wanted = whole ? Engine::Logits::last : Engine::Logits::none;
  if (as_one) {
    TokenDepth depth;
    const std::span<const float> logits = engine.prefill(sequence, together, wanted, *exit, depth);
    depths.assign(together.size(), depth);
    return logits;
  }
  if (options.prompt_exits.empty()) return engine.prefill(sequence, together, wanted);
  return engine.prefill(sequence, together, wanted, options.prompt_exits.first(together.size()), depths);
}

/// Where the tokens of a text come from: a pass for each, as deep as its exit lets it, or drafts that were verified.
class TokenSource {
 public:
  TokenSource(Engine& engine, Sequence& sequence, const GenerateOptions& options, BoundedExit* exit,
              std::size_t vocabulary)
      : engine_(engine),
        sequence_(sequence),
        options_(options),
        exit_(exit),
        vocabulary_(vocabulary),
        sampler_(options.sampling) {
    if (options.diffusion) diffuser_.emplace(engine, sequence, *options.diffusion, vocabulary);
    if (options.draft) speculator_.emplace(engine, sequence, *options.draft, options.sampling, vocabulary);
  }

  /// Whether there is no room for another token.
  [[nodiscard]] bool exhausted() const { return ready_.empty() && sequence_.length >= sequence_.cache.context(); }

  /// What `logits` say of the token that follows the text.
  void draw(std::span<const float> logits, const std::vector<std::int32_t>& text, GeneratedToken& token) {
    // Vocabularies are padded to round sizes: there is no token behind the tokenizer's last.
    logits = logits.first(vocabulary_);
    token.token = sampler_.draw(logits, text);
    if (options_.likeliest >= 0) token.probabilities = probabilities_of(logits, token.token, options_.likeliest);
  }

  /// The prompt, all but its last token, where that is not done by a pass at full depth.
  bool takes_prompt(std::span<const std::int32_t> prompt) {
    if (diffuser_) diffuser_->prefill(prompt.first(prompt.size() - 1));
    return diffuser_.has_value();
  }

  /// False once a stop is requested, between two passes or within one, which leaves the sequence as it was.
  bool next(const std::vector<std::int32_t>& text, GeneratedToken& token) {
    if (engine_.stop().requested()) return false;
    try {
      take_next(text, token);
    } catch (const Interrupted&) {
      return false;
    }
    return true;
  }

  /// The sequence holds all of the text but its last token, whatever was ready besides.
  void finish(const std::vector<std::int32_t>& text) {
    if (speculator_ || diffuser_) sequence_.truncate(static_cast<int>(text.size()) - 1);
  }

  [[nodiscard]] int passes() const { return passes_; }
  [[nodiscard]] Diffuser::Count diffusion() const { return diffuser_ ? diffuser_->count() : Diffuser::Count(); }
  [[nodiscard]] DraftCount drafts() const { return speculator_ ? speculator_->count() : DraftCount(); }

 private:
  void take_next(const std::vector<std::int32_t>& text, GeneratedToken& token) {
    if (diffuser_) {
      if (ready_.empty()) {
        for (const Diffuser::Frozen& frozen : diffuser_->next(text, sampler_)) {
          ready_.push_back(frozen.token);
          loops_.push_back(frozen.loops);
        }
      }
      token.depth = full_depth(sequence_);
      token.depth.loops[diffuser_->group()] = loops_.front();
      token.token = ready_.front();
      ready_.pop_front();
      loops_.pop_front();
      ++passes_;
      return;
    }
    if (!speculator_) {
      draw(engine_.decode(sequence_, text.back(), exit_, token.depth), text, token);
      ++passes_;
      return;
    }
    if (ready_.empty()) {
      const std::vector<std::int32_t> some = speculator_->next(text, sampler_);
      ready_.assign(some.begin(), some.end());
      ++passes_;
    }
    token.token = ready_.front();
    token.depth = full_depth(sequence_);
    ready_.pop_front();
  }

  Engine& engine_;
  Sequence& sequence_;
  const GenerateOptions& options_;
  BoundedExit* exit_;
  std::size_t vocabulary_;
  Sampler sampler_;
  std::optional<Diffuser> diffuser_;
  std::optional<Speculator> speculator_;
  std::deque<std::int32_t> ready_;
  std::deque<int> loops_;  ///< of those that are ready, from the diffuser
  int passes_ = 0;
};

/// Draws tokens behind `text`, which grows by them, the first of them from `logits` if there are any, which a pass of
/// depth `first` left. Returns why it ended.
StopReason write(TokenSource& source, TextStream& stream, std::span<const float> logits,
                 std::vector<std::int32_t>& text, const TokenDepth& first) {
  if (logits.empty() && source.exhausted()) return StopReason::context;
  for (;; logits = {}) {
    const auto start = Clock::now();
    GeneratedToken token;
    if (!logits.empty()) {
      source.draw(logits, text, token);
      token.depth = first;
    } else if (!source.next(text, token)) {
      return StopReason::interrupted;
    }
    token.milliseconds = milliseconds_since(start);
    const std::int32_t drawn = token.token;
    const std::optional<StopReason> reason = stream.take(std::move(token), !source.exhausted());
    if (reason == StopReason::end_token) return *reason;
    text.push_back(drawn);
    if (reason) return *reason;
  }
}

}  // namespace

PromptExit parse_prompt_exit(const std::string& text, const std::string& flag) {
  return parse_enum<PromptExit>(kPromptExits, text, flag, "way for prompts to exit");
}

Generation generate(Engine& engine, Sequence& sequence, const Tokenizer& tokenizer,
                    std::span<const std::int32_t> prompt, const GenerateOptions& options, BoundedExit* exit,
                    const std::function<void(const GeneratedToken&)>& each) {
  if (prompt.empty()) throw Error("the prompt is empty; give at least one character");
  const auto vocabulary = static_cast<std::size_t>(std::min(engine.model().spec().vocab_size, tokenizer.size()));
  TokenSource source(engine, sequence, options, exit, vocabulary);
  const auto start = Clock::now();
  Generation result;
  std::span<const float> logits;
  if (!source.takes_prompt(prompt)) logits = take_prompt(engine, sequence, prompt, options, exit, result.prompt_depths);
  result.prefill_milliseconds = milliseconds_since(start);

  TextStream stream(tokenizer, {options.tokens, options.stops, options.end_tokens}, each);
  std::vector<std::int32_t> text(prompt.begin(), prompt.end());
  const auto decode_start = Clock::now();
  result.reason = write(source, stream, logits, text,
                        result.prompt_depths.empty() ? full_depth(sequence) : result.prompt_depths.back());
  source.finish(text);
  if (result.reason != StopReason::stop_text) stream.finish();
  result.decode_milliseconds = milliseconds_since(decode_start);
  result.decode_passes = source.passes();
  result.draft = source.drafts();
  result.diffusion = source.diffusion();
  result.tokens = stream.tokens();
  result.text = stream.text();
  return result;
}

}  // namespace gyre
