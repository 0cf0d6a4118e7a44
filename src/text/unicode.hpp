#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gyre {

/// The four normal forms of Unicode (UAX #15).
enum class NormalForm { nfc, nfd, nfkc, nfkd };

/// `text`, which must be valid UTF-8, in a normal form.
std::string normalize(std::string_view text, NormalForm form);

/// Appends the lower-case form of a character; it may take two characters.
void append_lower_case(std::string& text, char32_t character);

/// The property White_Space.
bool is_white_space(char32_t character);
/// General category N.
bool is_numeric(char32_t character);
/// General category P, or any ASCII symbol.
bool is_punctuation(char32_t character);
/// General category Mn.
bool is_nonspacing_mark(char32_t character);
/// General category M.
bool is_mark(char32_t character);
/// General categories Cc, Cf and Co.
bool is_control(char32_t character);
/// What \w matches (UTS #18): Alphabetic, marks, decimal digits, connectors, and the joiners U+200C and U+200D.
bool is_word_character(char32_t character);
/// Goes through a text from its start and tells where its clusters of characters begin (UAX #29, extended grapheme
/// clusters).
class GraphemeBreaks {
 public:
  /// Whether one begins with the next character.
  bool before(char32_t character);

 private:
  char32_t last_ = 0;
  bool first_ = true;
  std::int32_t state_ = 0;
};
/// The ideographs that BERT makes words of their own.
bool is_bert_ideograph(char32_t character);

}  // namespace gyre
