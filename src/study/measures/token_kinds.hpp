#pragma once

#include <array>
#include <string_view>

namespace gyre {

/// What a token is to the eye, by its own text and the byte before it.
enum class TokenKind {
  word_start,    ///< letters that follow no letter
  continuation,  ///< letters that follow one
  digits,
  punctuation,  ///< ASCII characters that are none of the others
  space,        ///< no line break among it
  newline,      ///< holds a line break and else only space
};
inline constexpr std::array kTokenKinds = {TokenKind::word_start,  TokenKind::continuation, TokenKind::digits,
                                           TokenKind::punctuation, TokenKind::space,        TokenKind::newline};
std::string_view name_of(TokenKind kind);

/// `before` is the text that stands before it, or its end. Space at the beginning of a token does not decide unless it
/// is all of it; then the first byte does. Bytes beyond ASCII are letters. An empty text (an end token) is punctuation.
TokenKind kind_of(std::string_view text, std::string_view before);

}  // namespace gyre
