#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/flight.hpp"
#include "engine/sampler.hpp"
#include "engine/token_lens.hpp"
#include "text/tokenizer.hpp"

namespace gyre {

/// One generated token.
struct GeneratedToken {
  std::int32_t token = 0;
  std::string text;  ///< whole characters that this token completed; may be empty
  TokenDepth depth;  ///< of the pass that chose this token
  double milliseconds = 0;
  std::vector<TokenProbability> probabilities = {};  ///< if wanted, see probabilities_of()
  TokenLens lens = {};                               ///< if wanted
};

enum class StopReason { length, context, stop_text, end_token, interrupted };
std::string_view name_of(StopReason reason);

/// Where a generated text ends.
struct TextLimits {
  int tokens = 100;                     ///< at most
  std::vector<std::string> stops = {};  ///< before the first of these texts
  std::vector<std::int32_t> ends = {};  ///< or before one of these tokens
};

/// A text as its tokens come. Whoever listens hears of every token as soon as its text is sure not to be part of a stop
/// text; tokens of a stop text are never heard of, but for what stands before it in the token in which it begins.
class TextStream {
 public:
  using Listener = std::function<void(const GeneratedToken&)>;

  /// `tokenizer` has to outlive it.
  TextStream(const Tokenizer& tokenizer, TextLimits limits, Listener each)
      : limits_(std::move(limits)), each_(std::move(each)), decoder_(tokenizer) {}

  /// Takes a token, whose text it fills in; `room` says whether another could follow. Returns why the text ends here,
  /// or nothing when it goes on. A token before which it ends is none of it.
  std::optional<StopReason> take(GeneratedToken token, bool room);
  /// The text ended for another reason than a stop text: what was held back is heard of.
  void finish() { release(pending_text_.size()); }

  [[nodiscard]] const std::vector<std::int32_t>& tokens() const { return tokens_; }
  [[nodiscard]] const std::string& text() const { return text_; }  ///< all that was heard of

 private:
  bool holds_stop();
  [[nodiscard]] std::size_t longest_possible_beginning() const;
  std::size_t release(std::size_t bytes);

  TextLimits limits_;
  Listener each_;
  StreamDecoder decoder_;
  std::deque<GeneratedToken> pending_;
  std::string pending_text_;
  std::string text_;
  std::vector<std::int32_t> tokens_;
};

}  // namespace gyre
