#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/spec.hpp"
#include "study/measured_text.hpp"

namespace gyre {

/// Tokens that share a context. Each position's target is the token behind it.
struct Window {
  std::vector<std::int32_t> tokens;  ///< the prefix, then the text
  std::size_t first = 0;   ///< the first position that is scored: targets before it are of the prefix or context
  std::int64_t begin = 0;  ///< place in the text, its documents one behind the other, of its first token there
  std::size_t prefix = 0;  ///< tokens of the prefix

  [[nodiscard]] std::span<const std::int32_t> inputs() const { return std::span(tokens).first(tokens.size() - 1); }
  [[nodiscard]] std::span<const std::int32_t> targets() const { return std::span(tokens).subspan(1); }
  [[nodiscard]] std::size_t scored() const { return first < inputs().size() ? inputs().size() - first : 0; }
  /// Where in the text the target of a position stands.
  [[nodiscard]] std::int64_t place_of_target(std::size_t position) const {
    return begin + static_cast<std::int64_t>(position + 1) - static_cast<std::int64_t>(prefix);
  }
};

struct WindowSize {
  int positions = 0;   ///< of a window, its prefix included; the last window of a document may be shorter
  int score_from = 0;  ///< positions before this one are context only
};

/// Cuts a text into windows. With a prefix every token of the text is a target once; without one, all but the first of
/// each document. Throws Error when nothing is left to score, or when a token is outside the vocabulary.
std::vector<Window> cut_windows(const MeasuredText& text, const ModelSpec& spec, const WindowSize& size);

}  // namespace gyre
