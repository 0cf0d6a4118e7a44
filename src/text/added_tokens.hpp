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
  bool normalized = false;     ///< looked for after the others
  bool in_vocabulary = false;  ///< the vocabulary of the model holds it as well
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
  explicit AddedTokenFinder(const std::vector<AddedToken>& tokens);

  [[nodiscard]] std::vector<TextSection> split(std::string_view text) const;

 private:
  struct Known {
    std::string content;
    std::int32_t id;
  };
  /// Tokens by their first byte, the longest first.
  using Pass = std::array<std::vector<Known>, 256>;

  static void split_plain(const Pass& pass, std::string_view text, std::vector<TextSection>& sections);

  std::vector<Pass> passes_;
};

}  // namespace gyre
