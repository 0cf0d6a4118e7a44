#include "text/unicode.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/error.hpp"
#include "text/utf8.hpp"

namespace gyre {
namespace {

utf8proc_option_t option_of(NormalForm form) {
  switch (form) {
    case NormalForm::nfc:
      return UTF8PROC_COMPOSE;
    case NormalForm::nfd:
      return UTF8PROC_DECOMPOSE;
    case NormalForm::nfkc:
      return static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
    case NormalForm::nfkd:
      return static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
  }
  return UTF8PROC_COMPOSE;
}

utf8proc_category_t category_of(char32_t character) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(character));
}

bool category_between(char32_t character, utf8proc_category_t first, utf8proc_category_t last) {
  const utf8proc_category_t category = category_of(character);
  return category >= first && category <= last;
}

bool is_ascii_between(char32_t character, char32_t first, char32_t last) {
  return character >= first && character <= last;
}

}  // namespace

std::string normalize(std::string_view text, NormalForm form) {
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<std::uint8_t>(c) < 0x80; });
  if (ascii) return std::string(text);
  utf8proc_uint8_t* made = nullptr;
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | option_of(form));
  const utf8proc_ssize_t size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                             static_cast<utf8proc_ssize_t>(text.size()), &made, options);
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(made, &std::free);
  if (size < 0) throw Error("text: it cannot be normalized: {}; give less of it", utf8proc_errmsg(size));
  return {reinterpret_cast<const char*>(made), static_cast<std::size_t>(size)};
}

void append_lower_case(std::string& text, char32_t character) {
  if (is_ascii_between(character, 'A', 'Z')) {
    text.push_back(static_cast<char>(character + ('a' - 'A')));
  } else if (character == U'\u0130') {  // the one letter whose lower case is two characters everywhere
    text += "i\u0307";
  } else if (character < 0x80) {
    text.push_back(static_cast<char>(character));
  } else {
    append_utf8(text, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(character))));
  }
}

bool is_white_space(char32_t character) {
  if (character < 0x80) return character == ' ' || is_ascii_between(character, '\t', '\r');
  return character == 0x85 || category_between(character, UTF8PROC_CATEGORY_ZS, UTF8PROC_CATEGORY_ZP);
}

bool is_numeric(char32_t character) {
  if (character < 0x80) return is_ascii_between(character, '0', '9');
  return category_between(character, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO);
}

bool is_punctuation(char32_t character) {
  if (character < 0x80) {
    return is_ascii_between(character, '!', '/') || is_ascii_between(character, ':', '@') ||
           is_ascii_between(character, '[', '`') || is_ascii_between(character, '{', '~');
  }
  return category_between(character, UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO);
}

bool is_nonspacing_mark(char32_t character) {
  return character >= 0x80 && category_of(character) == UTF8PROC_CATEGORY_MN;
}

bool is_mark(char32_t character) {
  return character >= 0x80 && category_between(character, UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME);
}

bool is_control(char32_t character) {
  if (character < 0x80) return character < 0x20 || character == 0x7F;
  const utf8proc_category_t category = category_of(character);
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CO;
}

bool is_word_character(char32_t character) {
  if (category_between(character, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_NL)) return true;  // L, M, Nd, Nl
  // The letters in circles and squares, which are symbols by category and Alphabetic all the same.
  constexpr std::array<std::pair<char32_t, char32_t>, 4> kEnclosed = {
      {{0x24B6, 0x24E9}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}}};
  const bool enclosed = std::any_of(kEnclosed.begin(), kEnclosed.end(), [&](const auto& range) {
    return character >= range.first && character <= range.second;
  });
  return enclosed || character == U'\u200C' || character == U'\u200D' || category_of(character) == UTF8PROC_CATEGORY_PC;
}

bool GraphemeBreaks::before(char32_t character) {
  const auto last = static_cast<utf8proc_int32_t>(std::exchange(last_, character));
  if (std::exchange(first_, false)) return true;
  return utf8proc_grapheme_break_stateful(last, static_cast<utf8proc_int32_t>(character), &state_);
}

bool is_bert_ideograph(char32_t character) {
  // The published list of ranges, not a property: it leaves out Hangul and the kana on purpose.
  constexpr std::array<std::pair<char32_t, char32_t>, 8> kRanges = {{{0x3400, 0x4DBF},
                                                                     {0x4E00, 0x9FFF},
                                                                     {0xF900, 0xFAFF},
                                                                     {0x20000, 0x2A6DF},
                                                                     {0x2A700, 0x2B73F},
                                                                     {0x2B740, 0x2B81F},
                                                                     {0x2B920, 0x2CEAF},
                                                                     {0x2F800, 0x2FA1F}}};
  return character >= kRanges.front().first && std::any_of(kRanges.begin(), kRanges.end(), [&](const auto& range) {
           return character >= range.first && character <= range.second;
         });
}

}  // namespace gyre
