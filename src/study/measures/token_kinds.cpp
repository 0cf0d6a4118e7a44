#include "study/measures/token_kinds.hpp"

#include "base/enum_name.hpp"

namespace gyre {
namespace {

constexpr EnumName<TokenKind> kNames[] = {
    {TokenKind::word_start, "word_start"}, {TokenKind::continuation, "continuation"},
    {TokenKind::digits, "digits"},         {TokenKind::punctuation, "punctuation"},
    {TokenKind::space, "space"},           {TokenKind::newline, "newline"}};

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}

}  // namespace

std::string_view name_of(TokenKind kind) { return name_of<TokenKind>(kNames, kind); }

TokenKind kind_of(std::string_view text, std::string_view before) {
  constexpr std::string_view kSpace = " \t\r\n\f\v";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) {
    if (text.empty()) return TokenKind::punctuation;
    return text.find('\n') != std::string_view::npos ? TokenKind::newline : TokenKind::space;
  }
  const char c = text[first];
  if (c >= '0' && c <= '9') return TokenKind::digits;
  if (!is_letter(c)) return TokenKind::punctuation;
  const bool follows = first == 0 && !before.empty() && is_letter(before.back());
  return follows ? TokenKind::continuation : TokenKind::word_start;
}

}  // namespace gyre
