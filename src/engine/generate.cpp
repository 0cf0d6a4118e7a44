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
    const std::span<const float> logits = engine.prefill(sequence, together, wanted, *exit, depth, options.trace);
    depths.assign(together.size(), depth);
    return logits;
  }
  if (options.prompt_exits.empty()) return engine.prefill(sequence, together, wanted, options.trace);
  return engine.prefill(sequence, together, wanted, options.prompt_exits.first(together.size()), depths, options.trace);
}

}  // namespace

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
      draw(engine_.decode(sequence_, text.back(), exit_, token.depth, options_.trace), text, token);
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

PromptExit parse_prompt_exit(const std::string& text, const std::string& flag) {
  return parse_enum<PromptExit>(kPromptExits, text, flag, "way for prompts to exit");
}

struct TextWriter::State {
  const Tokenizer& tokenizer;
  Engine& engine;
  Sequence& sequence;
  GenerateOptions options;
  BoundedExit* exit;
  TokenSource source;
  std::vector<std::int32_t> text;  ///< the prompt, and what was drawn
  std::deque<GeneratedToken> heard = {};
  TextStream stream;
  bool began = false;
  std::optional<StopReason> ended = {};
  Generation result = {};

  State(Engine& runs, Sequence& grows, const Tokenizer& spells, std::span<const std::int32_t> prompt,
        GenerateOptions wanted, BoundedExit* leaves)
      : tokenizer(spells),
        engine(runs),
        sequence(grows),
        options(std::move(wanted)),
        exit(leaves),
        source(engine, sequence, options, exit,
               static_cast<std::size_t>(std::min(engine.model().spec().vocab_size, tokenizer.size()))),
        text(prompt.begin(), prompt.end()),
        stream(tokenizer, {options.tokens, options.stops, options.end_tokens},
               [this](const GeneratedToken& token) { heard.push_back(token); }) {}

  void begin();
  void advance();
  void take(GeneratedToken token);
  void end(StopReason reason);
};

/// Runs the prompt; where that chose a token already, the text begins with it.
void TextWriter::State::begin() {
  const auto start = Clock::now();
  std::span<const float> logits;
  const std::vector<std::int32_t> prompt = text;
  if (!source.takes_prompt(prompt)) {
    logits = take_prompt(engine, sequence, prompt, options, exit, result.prompt_depths);
  }
  result.prefill_milliseconds = milliseconds_since(start);
  began = true;
  if (logits.empty() && source.exhausted()) return end(StopReason::context);
  if (logits.empty()) return;
  const auto drawing = Clock::now();
  GeneratedToken token;
  source.draw(logits, text, token);
  token.depth = result.prompt_depths.empty() ? full_depth(sequence) : result.prompt_depths.back();
  token.milliseconds = milliseconds_since(drawing);
  take(std::move(token));
}

void TextWriter::State::advance() {
  const auto start = Clock::now();
  GeneratedToken token;
  if (!source.next(text, token)) return end(StopReason::interrupted);
  token.milliseconds = milliseconds_since(start);
  take(std::move(token));
}

void TextWriter::State::take(GeneratedToken token) {
  const std::int32_t drawn = token.token;
  const std::optional<StopReason> reason = stream.take(std::move(token), !source.exhausted());
  if (reason != StopReason::end_token) text.push_back(drawn);
  if (reason) end(*reason);
}

void TextWriter::State::end(StopReason reason) {
  ended = reason;
  source.finish(text);
  if (reason != StopReason::stop_text) stream.finish();
}

TextWriter::TextWriter(Engine& engine, Sequence& sequence, const Tokenizer& tokenizer,
                       std::span<const std::int32_t> prompt, GenerateOptions options, BoundedExit* exit) {
  if (prompt.empty()) throw Error("the prompt is empty; give at least one character");
  state_ = std::make_unique<State>(engine, sequence, tokenizer, prompt, std::move(options), exit);
}
TextWriter::TextWriter(TextWriter&&) noexcept = default;
TextWriter& TextWriter::operator=(TextWriter&&) noexcept = default;
TextWriter::~TextWriter() = default;

std::optional<GeneratedToken> TextWriter::next() {
  State& state = *state_;
  if (!state.began) state.begin();
  const auto start = Clock::now();
  while (state.heard.empty() && !state.ended) state.advance();
  state.result.decode_milliseconds += milliseconds_since(start);
  if (state.heard.empty()) return {};
  GeneratedToken token = std::move(state.heard.front());
  state.heard.pop_front();
  return token;
}

Generation TextWriter::result() const {
  Generation result = state_->result;
  result.reason = state_->ended.value_or(StopReason::interrupted);
  result.decode_passes = state_->source.passes();
  result.draft = state_->source.drafts();
  result.diffusion = state_->source.diffusion();
  result.tokens = state_->stream.tokens();
  result.text = state_->stream.text();
  return result;
}

Generation generate(Engine& engine, Sequence& sequence, const Tokenizer& tokenizer,
                    std::span<const std::int32_t> prompt, const GenerateOptions& options, BoundedExit* exit,
                    const std::function<void(const GeneratedToken&)>& each) {
  TextWriter writer(engine, sequence, tokenizer, prompt, options, exit);
  while (const std::optional<GeneratedToken> token = writer.next()) each(*token);
  return writer.result();
}

}  // namespace gyre
