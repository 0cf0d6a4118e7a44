#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/growth.hpp"

namespace gyre {

/// GPT-2's rule for cutting text into words before merging.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// A stretch of a text in bytes; `is_match` tells those that a pattern found from those between.
struct TextRange {
  std::size_t begin;
  std::size_t end;
  bool is_match;
};

/// What becomes of the stretches that a pattern finds: pieces of their own, nothing, one piece with neighbouring
/// matches, or a part of the piece before or after.
enum class SplitBehavior { isolated, removed, contiguous, merged_with_previous, merged_with_next };

/// Appends the pieces of `text`. `ranges` cover it from start to end. No piece is empty.
void append_pieces(std::string_view text, const std::vector<TextRange>& ranges, SplitBehavior behavior,
                   std::vector<std::string_view>& pieces);

/// A regular expression of Oniguruma, in the dialect of the Python package `tokenizers`, that cuts text. Copies share
/// the compiled expression; one object may serve many threads.
class SplitPattern {
 public:
  /// Throws Error with `where` when `regex`, which must be valid UTF-8, does not compile.
  SplitPattern(std::string regex, std::string_view where, SplitBehavior behavior = SplitBehavior::isolated,
               bool invert = false);

  [[nodiscard]] const std::string& regex() const { return regex_; }
  [[nodiscard]] SplitBehavior behavior() const { return behavior_; }
  /// Appends the pieces of `text`, which must be valid UTF-8. With the behavior `isolated` they join to the text.
  /// Throws Error when the pattern goes back over the text too often, or takes too long.
  void split(std::string_view text, std::vector<std::string_view>& pieces) const;
  /// `text` with every match replaced by `content`. Throws Error when it grows beyond `growth`.
  [[nodiscard]] std::string replace(std::string_view text, std::string_view content, const Growth& growth) const;

 private:
  struct Compiled;

  [[nodiscard]] std::vector<TextRange> find_all(std::string_view text) const;

  std::string regex_;
  SplitBehavior behavior_;
  bool invert_;
  std::shared_ptr<const Compiled> compiled_;
};

/// A pattern that matches `text` itself.
std::string quote_pattern(std::string_view text);

}  // namespace gyre
