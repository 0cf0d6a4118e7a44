#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

// What Python's str does, on UTF-8: places and lengths count code points. All texts must be valid UTF-8.

/// Bytes of the character at the start of `text`, which must not be empty.
std::size_t first_character(std::string_view text);
/// Where the last character of `text` begins, which must not be empty.
std::size_t last_character(std::string_view text);
std::size_t count_characters(std::string_view text);
/// Where the character of that number begins; the length of the text behind its end.
std::size_t byte_of_character(std::string_view text, std::size_t character);
/// The characters of a text, each a view into it.
std::vector<std::string_view> characters_of(std::string_view text);

/// str.isspace of one character.
bool is_space(char32_t character);
bool is_alphabetic(char32_t character);
bool is_decimal(char32_t character);
/// str.isdigit: decimals, and superscripts and the like.
bool is_digit(char32_t character);
bool is_alphanumeric(char32_t character);
/// str.isprintable.
bool is_printable(char32_t character);
bool is_upper(char32_t character);
bool is_lower(char32_t character);
bool is_title(char32_t character);

std::string upper(std::string_view text);
std::string lower(std::string_view text);
/// str.title: the first letter of every run of letters in title case, the others lower.
std::string title(std::string_view text);
/// str.capitalize.
std::string capitalize(std::string_view text);
std::string swap_case(std::string_view text);
/// str.isupper or str.islower: there are letters with a case, all of that one.
bool is_in_case(std::string_view text, bool upper);

/// Without white space at its ends.
std::string_view strip(std::string_view text, bool left, bool right);
/// Without characters of `characters` at its ends.
std::string_view strip(std::string_view text, std::string_view characters, bool left, bool right);
/// Where `needle` is in `text` from byte `from` on, or npos. Long needles take no longer than reading both.
std::size_t find_text(std::string_view text, std::string_view needle, std::size_t from = 0);
/// Where it is last.
std::size_t find_last_text(std::string_view text, std::string_view needle);
/// str.replace: the first `most` places of `old`, all when `most` is negative.
std::string replaced(std::string_view text, std::string_view old, std::string_view with, Integer most, Budget& budget);
/// str.splitlines.
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

}  // namespace gyre::jinja
