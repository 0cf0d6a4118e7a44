#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gyre {

/// The byte at `index`, as a number from 0 to 255.
inline std::uint8_t byte_at(std::string_view text, std::size_t index) { return static_cast<std::uint8_t>(text[index]); }

/// ▁, which vocabularies of SentencePiece write for a space.
inline constexpr std::string_view kSpaceMark = "\u2581";

/// What stands at the start of a text that should be UTF-8.
struct Utf8Step {
  enum class Kind {
    kCharacter,   ///< a whole character
    kInvalid,     ///< bytes that no continuation can make valid
    kIncomplete,  ///< the text ends inside a character that is valid so far
  };
  Kind kind;
  std::size_t length;   ///< bytes it takes; for kInvalid the longest run that becomes one U+FFFD
  char32_t code_point;  ///< U+FFFD unless it is a whole character
};

/// Reads one step from the start of `text`, which must not be empty. Strict: no overlong forms, no surrogates, nothing
/// above U+10FFFF.
Utf8Step read_utf8(std::string_view text);

/// Offset of the first byte that is not part of a whole UTF-8 character; npos when all of `text` is valid.
std::size_t first_invalid_utf8(std::string_view text);

/// Throws Error with `where`, the byte and its offset when `text` is not UTF-8.
void require_utf8(std::string_view text, std::string_view where);

/// The code points of `text`, which must be valid UTF-8.
std::vector<char32_t> code_points(std::string_view text);

/// Appends one code point as UTF-8.
void append_utf8(std::string& text, char32_t code_point);

}  // namespace gyre
