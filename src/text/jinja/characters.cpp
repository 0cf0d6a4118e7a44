#include "text/jinja/characters.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "text/unicode.hpp"
#include "text/utf8.hpp"

namespace gyre::jinja {
namespace {

utf8proc_category_t category_of(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }
char32_t simple_upper(char32_t c) { return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))); }
char32_t simple_title(char32_t c) { return static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))); }

std::string utf8_of(char32_t c) {
  std::string text;
  append_utf8(text, c);
  return text;
}

/// Characters whose upper case is several: it is the simple upper case of the parts they are made of. The sharp s has
/// no parts.
bool has_long_upper(char32_t c) {
  return c == 0x149 || c == 0x1F0 || c == 0x390 || c == 0x3B0 || c == 0x587 || (c >= 0x1E96 && c <= 0x1E9A) ||
         c == 0x1F50 || c == 0x1F52 || c == 0x1F54 || c == 0x1F56 || (c >= 0x1F80 && c <= 0x1FAF) ||
         (c >= 0x1FB2 && c <= 0x1FBC && c != 0x1FB5 && (c <= 0x1FB7 || c == 0x1FBC)) ||
         (c >= 0x1FC2 && c <= 0x1FCC && c != 0x1FC5 && (c <= 0x1FC7 || c == 0x1FCC)) || c == 0x1FD2 || c == 0x1FD3 ||
         c == 0x1FD6 || c == 0x1FD7 || (c >= 0x1FE2 && c <= 0x1FE4) || c == 0x1FE6 || c == 0x1FE7 ||
         (c >= 0x1FF2 && c <= 0x1FFC && c != 0x1FF5 && (c <= 0x1FF7 || c == 0x1FFC)) || (c >= 0xFB00 && c <= 0xFB06) ||
         (c >= 0xFB13 && c <= 0xFB17);
}

bool is_cased(char32_t c) { return is_upper(c) || is_lower(c) || is_title(c); }

/// The upper case of a character that has several: that of its parts, or of the first letter among them alone for a
/// title. Greek letters keep their accents in one character; the iota below them goes behind.
void append_long(std::string& out, char32_t c, bool whole) {
  std::string text;
  bool done = false;
  bool iota = false;
  for (const char32_t part : code_points(normalize(utf8_of(c), NormalForm::nfkd))) {
    if (part == 0x345) {
      iota = true;
      continue;
    }
    append_utf8(text, whole || !done ? simple_upper(part) : part);
    done = done || is_cased(part);
  }
  out += iota ? normalize(text, NormalForm::nfc) + utf8_of(whole ? 0x399 : 0x345) : text;
}

void append_upper(std::string& out, char32_t c) {
  if (c == 0xDF) {
    out += "SS";
  } else if (has_long_upper(c)) {
    append_long(out, c, true);
  } else {
    append_utf8(out, simple_upper(c));
  }
}

void append_title(std::string& out, char32_t c) {
  if (c == 0xDF) {
    out += "Ss";
  } else if (has_long_upper(c) && simple_title(c) == c && !is_title(c)) {
    append_long(out, c, false);
  } else {
    append_utf8(out, simple_title(c));
  }
}

/// What the final form of sigma looks through: marks, modifiers and the signs inside words.
bool is_case_ignorable(char32_t c) {
  constexpr std::array<char32_t, 12> kSigns = {U'\'', U'.', U':', U'^', U'`', 0xA8,
                                               0xAD,  0xAF, 0xB4, 0xB7, 0xB8, 0x2019};
  const utf8proc_category_t category = category_of(c);
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME || category == UTF8PROC_CATEGORY_CF ||
         category == UTF8PROC_CATEGORY_LM || category == UTF8PROC_CATEGORY_SK ||
         std::find(kSigns.begin(), kSigns.end(), c) != kSigns.end();
}

/// Whether the sigma at `at` ends a word.
bool is_final_sigma(const std::vector<char32_t>& points, std::size_t at) {
  std::size_t before = at;
  while (before > 0 && is_case_ignorable(points[before - 1])) --before;
  if (before == 0 || !is_cased(points[before - 1])) return false;
  std::size_t after = at + 1;
  while (after < points.size() && is_case_ignorable(points[after])) ++after;
  return after == points.size() || !is_cased(points[after]);
}

void append_lower(std::string& out, const std::vector<char32_t>& points, std::size_t at) {
  if (points[at] == 0x3A3) {
    append_utf8(out, is_final_sigma(points, at) ? 0x3C2 : 0x3C3);
  } else {
    append_lower_case(out, points[at]);
  }
}

/// How many bytes of line end stand at the start.
std::size_t line_end(std::string_view text) {
  if (text.starts_with("\r\n")) return 2;
  const Utf8Step step = read_utf8(text);
  const char32_t c = step.code_point;
  const bool ends = (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
  return ends ? step.length : 0;
}

/// It looks at what it drops and one character more: the lexer strips what is left of a template again and again.
template <typename Drop>
std::string_view strip_while(std::string_view text, bool left, bool right, const Drop& drop) {
  while (left && !text.empty()) {
    const Utf8Step step = read_utf8(text);
    if (!drop(text.substr(0, step.length), step.code_point)) break;
    text.remove_prefix(step.length);
  }
  while (right && !text.empty()) {
    const std::string_view last = text.substr(last_character(text));
    if (!drop(last, read_utf8(last).code_point)) break;
    text.remove_suffix(last.size());
  }
  return text;
}

}  // namespace

std::size_t first_character(std::string_view text) { return read_utf8(text).length; }

std::size_t last_character(std::string_view text) {
  std::size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) --at;
  return at;
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::size_t byte_of_character(std::string_view text, std::size_t character) {
  std::size_t at = 0;
  for (; character > 0 && at < text.size(); --character) at += first_character(text.substr(at));
  return at;
}

std::vector<std::string_view> characters_of(std::string_view text) {
  std::vector<std::string_view> characters;
  while (!text.empty()) {
    const std::size_t size = first_character(text);
    characters.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return characters;
}

bool is_space(char32_t c) { return is_white_space(c) || (c >= 0x1C && c <= 0x1F); }

bool is_alphabetic(char32_t c) {
  const utf8proc_category_t category = category_of(c);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal(char32_t c) { return category_of(c) == UTF8PROC_CATEGORY_ND; }

bool is_digit(char32_t c) {
  constexpr std::array<std::pair<char32_t, char32_t>, 20> kRanges = {
      {{0xB2, 0xB3},     {0xB9, 0xB9},       {0x1369, 0x1371},   {0x19DA, 0x19DA},   {0x2070, 0x2070},
       {0x2074, 0x2079}, {0x2080, 0x2089},   {0x2460, 0x2468},   {0x2474, 0x247C},   {0x2488, 0x2490},
       {0x24EA, 0x24EA}, {0x24F5, 0x24FD},   {0x24FF, 0x24FF},   {0x2776, 0x277E},   {0x2780, 0x2788},
       {0x278A, 0x2792}, {0x10A40, 0x10A43}, {0x10E60, 0x10E68}, {0x11052, 0x1105A}, {0x1F100, 0x1F10A}}};
  return is_decimal(c) || std::any_of(kRanges.begin(), kRanges.end(),
                                      [&](const auto& range) { return c >= range.first && c <= range.second; });
}

bool is_alphanumeric(char32_t c) { return is_alphabetic(c) || is_numeric(c); }

bool is_printable(char32_t c) {
  const utf8proc_category_t category = category_of(c);
  return c == U' ' || (category != UTF8PROC_CATEGORY_CN && category < UTF8PROC_CATEGORY_ZS);
}

bool is_upper(char32_t c) { return utf8proc_isupper(static_cast<utf8proc_int32_t>(c)) != 0 && !is_title(c); }
bool is_lower(char32_t c) { return utf8proc_islower(static_cast<utf8proc_int32_t>(c)) != 0; }
bool is_title(char32_t c) { return category_of(c) == UTF8PROC_CATEGORY_LT; }

std::string upper(std::string_view text) {
  std::string out;
  for (const char32_t c : code_points(text)) append_upper(out, c);
  return out;
}

std::string lower(std::string_view text) {
  const std::vector<char32_t> points = code_points(text);
  std::string out;
  for (std::size_t at = 0; at < points.size(); ++at) append_lower(out, points, at);
  return out;
}

std::string title(std::string_view text) {
  const std::vector<char32_t> points = code_points(text);
  std::string out;
  bool inside = false;
  for (std::size_t at = 0; at < points.size(); ++at) {
    if (inside) {
      append_lower(out, points, at);
    } else {
      append_title(out, points[at]);
    }
    inside = is_cased(points[at]);
  }
  return out;
}

std::string capitalize(std::string_view text) {
  const std::vector<char32_t> points = code_points(text);
  std::string out;
  for (std::size_t at = 0; at < points.size(); ++at) {
    if (at == 0) {
      append_title(out, points[at]);
    } else {
      append_lower(out, points, at);
    }
  }
  return out;
}

std::string swap_case(std::string_view text) {
  const std::vector<char32_t> points = code_points(text);
  std::string out;
  for (std::size_t at = 0; at < points.size(); ++at) {
    if (is_upper(points[at])) {
      append_lower(out, points, at);
    } else if (is_lower(points[at])) {
      append_upper(out, points[at]);
    } else {
      append_utf8(out, points[at]);
    }
  }
  return out;
}

bool is_in_case(std::string_view text, bool upper) {
  bool cased = false;
  for (const char32_t c : code_points(text)) {
    if (is_title(c) || (upper ? is_lower(c) : is_upper(c))) return false;
    cased = cased || is_cased(c);
  }
  return cased;
}

std::size_t find_text(std::string_view text, std::string_view needle, std::size_t from) {
  constexpr std::size_t kShort = 16;
  if (needle.size() <= kShort) return text.find(needle, from);
  if (text.size() < needle.size()) return std::string_view::npos;
  // After Knuth, Morris and Pratt: how much of the needle still fits when its next character does not.
  std::vector<std::uint32_t> fits(needle.size());
  for (std::size_t i = 1, length = 0; i < needle.size(); ++i) {
    while (length > 0 && needle[i] != needle[length]) length = fits[length - 1];
    if (needle[i] == needle[length]) ++length;
    fits[i] = static_cast<std::uint32_t>(length);
  }
  for (std::size_t i = from, length = 0; i < text.size(); ++i) {
    while (length > 0 && text[i] != needle[length]) length = fits[length - 1];
    if (text[i] == needle[length]) ++length;
    if (length == needle.size()) return i + 1 - length;
  }
  return std::string_view::npos;
}

std::size_t find_last_text(std::string_view text, std::string_view needle) {
  const std::string backwards(text.rbegin(), text.rend());
  const std::string end_first(needle.rbegin(), needle.rend());
  const std::size_t found = find_text(backwards, end_first);
  return found == std::string_view::npos ? found : text.size() - found - needle.size();
}

std::string replaced(std::string_view text, std::string_view old, std::string_view with, Integer most, Budget& budget) {
  std::string out;
  const auto add = [&](std::string_view part) {
    if (out.size() + part.size() > kLongestText) budget.text(kLongestText + 1);
    out += part;
  };
  std::size_t at = 0;
  for (Integer count = 0; most < 0 || count < most; ++count) {
    const std::size_t found = old.empty() ? at : find_text(text, old, at);
    if (found == std::string_view::npos) break;
    add(text.substr(at, found - at));
    add(with);
    at = found + old.size();
    if (!old.empty()) continue;
    // The empty text stands before every character and at the end.
    if (at == text.size()) return out;
    const std::size_t size = first_character(text.substr(at));
    add(text.substr(at, size));
    at += size;
  }
  add(text.substr(at));
  return out;
}

std::string_view strip(std::string_view text, bool left, bool right) {
  return strip_while(text, left, right, [](std::string_view, char32_t c) { return is_space(c); });
}

std::string_view strip(std::string_view text, std::string_view characters, bool left, bool right) {
  const std::vector<std::string_view> dropped = characters_of(characters);
  return strip_while(text, left, right, [&](std::string_view character, char32_t) {
    return std::find(dropped.begin(), dropped.end(), character) != dropped.end();
  });
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = line_end(text.substr(at));
    if (end > 0) {
      lines.push_back(text.substr(start, at - start + (keep_ends ? end : 0)));
      start = at + end;
    }
    at += end > 0 ? end : first_character(text.substr(at));
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

}  // namespace gyre::jinja
