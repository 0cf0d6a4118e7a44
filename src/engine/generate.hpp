#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/diffuse.hpp"
#include "engine/engine.hpp"
#include "engine/sampler.hpp"
#include "engine/speculate.hpp"
#include "engine/text_stream.hpp"
#include "text/tokenizer.hpp"

namespace gyre {

/// Which tokens of a prompt obey the exit.
enum class PromptExit {
  last,   ///< the last one, which chooses the first new token; the others run at full depth
  each,   ///< every token, each with an exit of its own
  whole,  ///< all of them leave as one, and choose the first new token (Huginn's program)
  never,  ///< none: the first new token is chosen at full depth (its do_not_exit_in_prefill)
};
/// Throws Error naming `flag`.
PromptExit parse_prompt_exit(const std::string& text, const std::string& flag);

struct GenerateOptions {
  int tokens = 100;  ///< most tokens to generate
  SamplingOptions sampling;
  std::vector<std::string> stops;           ///< generation ends before the first of these texts
  std::vector<std::int32_t> end_tokens;     ///< or before one of these tokens
  int likeliest = -1;                       ///< 0 or more: probabilities of each token and so many of the likeliest
  std::optional<Draft> draft = {};          ///< tokens come from drafts that full depth verifies; without an exit
  std::optional<Diffusion> diffusion = {};  ///< they come from a wavefront of positions; without exit or draft
  PromptExit prompt_exit = PromptExit::last;
  /// With PromptExit::each: one for every token of the prompt.
  std::span<BoundedExit> prompt_exits = {};
  TraceSink trace = {};  ///< hears of every loop of the prompt and of every pass; without draft and diffusion
};

struct Generation {
  std::vector<std::int32_t> tokens;
  std::string text;
  StopReason reason = StopReason::length;
  std::vector<TokenDepth> prompt_depths;  ///< of the tokens that went in at once, when they had exits
  double prefill_milliseconds = 0;
  double decode_milliseconds = 0;
  int decode_passes = 0;  ///< at full depth or as deep as exits let; a whole prompt gives the first token without one
  DraftCount draft = {};
  Diffuser::Count diffusion = {};
};

/// A text that is drawn a token at a time. Runs the prompt, all but its last token at once, at full depth or with its
/// own exits; every pass that chooses a token may exit early. In a sequence with whole_prompt, and where the prompt
/// leaves as one or not at all, the last token goes in with the others, and chooses the first token at their depth.
class TextWriter {
 public:
  /// Engine, sequence, tokenizer, `exit` and the exits of the prompt have to outlive it.
  TextWriter(Engine& engine, Sequence& sequence, const Tokenizer& tokenizer, std::span<const std::int32_t> prompt,
             GenerateOptions options, BoundedExit* exit);
  TextWriter(TextWriter&&) noexcept;
  TextWriter& operator=(TextWriter&&) noexcept;
  TextWriter(const TextWriter&) = delete;
  TextWriter& operator=(const TextWriter&) = delete;
  ~TextWriter();

  /// The next token whose text is sure not to be part of a stop text, or nothing once the text has ended. When a pass
  /// throws, the sequence is as it was before it, and another call runs it again.
  std::optional<GeneratedToken> next();
  /// What the text has come to.
  [[nodiscard]] Generation result() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The same all at once: `each` hears of every token that next() would return.
Generation generate(Engine& engine, Sequence& sequence, const Tokenizer& tokenizer,
                    std::span<const std::int32_t> prompt, const GenerateOptions& options, BoundedExit* exit,
                    const std::function<void(const GeneratedToken&)>& each);

}  // namespace gyre
