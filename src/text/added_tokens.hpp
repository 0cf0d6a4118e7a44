#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gyre {

/// A token that is looked for in the text as a whole, before any cutting and merging.
struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool special = false;
  bool normalized = false;     ///< looked for in the normalized text, and so after the others
  bool in_vocabulary = false;  ///< the vocabulary of the model holds it as well
  bool single_word = false;    ///< not inside a longer word
  bool strip_left = false;     ///< takes the white space before it along
  bool strip_right = false;    ///< and that after it
};

/// A stretch of text that is one added token, or that holds none.
struct TextSection {
  static constexpr std::int32_t kPlain = -1;
  std::string_view text;
  std::int32_t token = kPlain;
};

/// Finds added tokens: the leftmost first, and of those that start together the longest.
class AddedTokenFinder {
 public:
  /// Looks for all of `tokens` by their content.
  explicit AddedTokenFinder(const std::vector<AddedToken>& tokens);

  [[nodiscard]] bool empty() const { return empty_; }
  [[nodiscard]] std::vector<TextSection> split(std::string_view text) const;

 private:
  /// Tokens by their first byte, the longest first.
  std::array<std::vector<AddedToken>, 256> rows_;
  bool empty_ = true;
};

}  // namespace gyre
