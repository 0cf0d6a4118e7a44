#include "text/jinja/literals.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "text/jinja/characters.hpp"
#include "text/utf8.hpp"

namespace gyre::jinja {
namespace {

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

/// How far digits of a base go, with single underscores between them (and one before, where `leading`).
std::size_t digits_end(std::string_view text, std::size_t at, int base, bool leading = false) {
  std::size_t end = at;
  bool first = !leading;
  while (true) {
    const std::size_t next = end + (!first && end < text.size() && text[end] == '_' ? 1U : 0U);
    if (next >= text.size() || digit_of(text[next]) >= base) return end;
    end = next + 1;
    first = false;
  }
}

std::string without_underscores(std::string_view text) {
  std::string plain(text);
  plain.erase(std::remove(plain.begin(), plain.end(), '_'), plain.end());
  return plain;
}

/// Digits of a base as a number; nothing when it does not fit.
std::optional<Integer> value_of(std::string_view digits, int base) {
  Integer value = 0;
  for (const char c : digits) {
    if (__builtin_mul_overflow(value, Integer{base}, &value)) return std::nullopt;
    if (__builtin_add_overflow(value, Integer{digit_of(c)}, &value)) return std::nullopt;
  }
  return value;
}

int base_of_prefix(std::string_view text) {
  if (text.size() < 2 || text[0] != '0') return 10;
  const char letter = static_cast<char>(text[1] | 0x20);
  return letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
}

/// The end of a float at the start of `text`; 0 when there is only an integer.
std::size_t real_end(std::string_view text) {
  std::size_t end = digits_end(text, 0, 10);
  bool real = false;
  if (end < text.size() && text[end] == '.' && digits_end(text, end + 1, 10) > end + 1) {
    end = digits_end(text, end + 1, 10);
    real = true;
  }
  if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    const std::size_t sign = end + 1 < text.size() && (text[end + 1] == '+' || text[end + 1] == '-') ? 1 : 0;
    const std::size_t exponent = digits_end(text, end + 1 + sign, 10);
    if (exponent > end + 1 + sign) {
      end = exponent;
      real = true;
    }
  }
  return real ? end : 0;
}

/// The code point that hexadecimal or octal digits spell, `count` of them; nothing when they do not.
std::optional<char32_t> spelled(std::string_view digits, std::size_t count, int base) {
  if (digits.size() < count || digits_end(digits.substr(0, count), 0, base) != count) return std::nullopt;
  const auto value = value_of(digits.substr(0, count), base);
  if (digits.substr(0, count).find('_') != std::string_view::npos || !value || *value > 0x10FFFF) return std::nullopt;
  return static_cast<char32_t>(*value);
}

/// Reads the escape behind a backslash. Gives the bytes it takes.
std::size_t append_escape(std::string& out, std::string_view rest, std::string& problem) {
  constexpr std::string_view kLetters = "\\'\"abfnrtv";
  constexpr std::string_view kMeanings = "\\'\"\a\b\f\n\r\t\v";
  const char c = rest.front();
  if (c == '\n') return 1;
  if (const std::size_t found = kLetters.find(c); found != std::string_view::npos) {
    out += kMeanings[found];
    return 1;
  }
  if (c >= '0' && c <= '7') {
    std::size_t count = 1;
    while (count < std::min<std::size_t>(3, rest.size()) && rest[count] >= '0' && rest[count] <= '7') ++count;
    if (const auto point = spelled(rest, count, 8)) append_utf8(out, *point);
    return count;
  }
  if (c == 'x' || c == 'u' || c == 'U') {
    const std::size_t count = c == 'x' ? 2 : c == 'u' ? 4 : 8;
    const auto point = spelled(rest.substr(1), count, 16);
    if (!point) {
      problem = fmt::format("the escape \\{} needs {} hexadecimal digits of a character", c, count);
    } else if (*point >= 0xD800 && *point <= 0xDFFF) {
      problem = "an escape spells half a character (a surrogate)";
    } else if (problem.empty()) {
      append_utf8(out, *point);
    }
    return std::min(count + 1, rest.size());
  }
  if (c == 'N') problem = "the escape \\N{...} is not supported; write the character itself";
  const Utf8Step step = read_utf8(rest);
  out += '\\';
  // Python escapes what is not ASCII before it looks at backslashes: the two then make one.
  if (step.code_point < 0x80) {
    out += c;
  } else if (step.code_point < 0x100) {
    out += fmt::format("x{:02x}", static_cast<std::uint32_t>(step.code_point));
  } else if (step.code_point < 0x10000) {
    out += fmt::format("u{:04x}", static_cast<std::uint32_t>(step.code_point));
  } else {
    out += fmt::format("U{:08x}", static_cast<std::uint32_t>(step.code_point));
  }
  return step.length;
}

}  // namespace

NumberLiteral number_literal(std::string_view text, bool may_be_real) {
  if (const std::size_t end = may_be_real ? real_end(text) : 0; end > 0) {
    return {end, Value::real(std::strtod(without_underscores(text.substr(0, end)).c_str(), nullptr)), ""};
  }
  const int base = base_of_prefix(text);
  if (base != 10) {
    const std::size_t end = digits_end(text, 2, base, true);
    if (end > 2) {
      const auto value = value_of(without_underscores(text.substr(2, end - 2)), base);
      return {end, Value::integer(value.value_or(0)), value ? "" : "a number is larger than 127 bits hold"};
    }
  }
  // A zero may be followed by zeros only.
  const std::size_t end = text[0] == '0' ? digits_end(text, 0, 1) : digits_end(text, 0, 10);
  const auto value = value_of(without_underscores(text.substr(0, end)), 10);
  return {end, Value::integer(value.value_or(0)), value ? "" : "a number is larger than 127 bits hold"};
}

std::string unescaped(std::string_view literal, std::string& problem) {
  std::string out;
  while (!literal.empty() && problem.empty()) {
    if (literal.front() != '\\') {
      const std::size_t run = std::min(literal.find('\\'), literal.size());
      out += literal.substr(0, run);
      literal.remove_prefix(run);
      continue;
    }
    literal.remove_prefix(1);
    literal.remove_prefix(append_escape(out, literal, problem));
  }
  return out;
}

std::optional<Integer> parse_integer(std::string_view text, int base) {
  text = strip(text, true, true);
  const bool minus = text.starts_with('-');
  if (minus || text.starts_with('+')) text.remove_prefix(1);
  const int prefix = base_of_prefix(text);
  const bool has_prefix = prefix != 10 && (base == prefix || base == 0);
  if (has_prefix) text.remove_prefix(2);
  const int used = base == 0 ? prefix : base;
  if (text.empty() || used < 2 || used > 36 || digits_end(text, 0, used, has_prefix) != text.size())
    return std::nullopt;
  if (base == 0 && !has_prefix && text.size() > 1 && text[0] == '0' && digits_end(text, 0, 1) != text.size()) {
    return std::nullopt;
  }
  const auto value = value_of(without_underscores(text), used);
  if (!value) throw Failure("the number {} is larger than 127 bits hold", text);
  return minus ? -*value : *value;
}

std::optional<double> parse_real(std::string_view text) {
  text = strip(text, true, true);
  std::string_view digits = text;
  if (digits.starts_with('-') || digits.starts_with('+')) digits.remove_prefix(1);
  std::string word(digits);
  std::transform(word.begin(), word.end(), word.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c | 0x20 : c; });
  const double sign = text.starts_with('-') ? -1 : 1;
  if (word == "inf" || word == "infinity") return sign * std::numeric_limits<double>::infinity();
  if (word == "nan") return std::numeric_limits<double>::quiet_NaN();
  // Python takes a point at either end of the digits, and underscores between digits only.
  std::size_t end = digits_end(digits, 0, 10);
  std::size_t count = end;
  if (end < digits.size() && digits[end] == '.') {
    const std::size_t fraction = digits_end(digits, end + 1, 10);
    count += fraction - end - 1;
    end = fraction;
  }
  if (count == 0) return std::nullopt;
  if (end < digits.size() && (digits[end] == 'e' || digits[end] == 'E')) {
    const std::size_t at = end + 1 + (end + 1 < digits.size() && (digits[end + 1] == '+' || digits[end + 1] == '-'));
    const std::size_t exponent = digits_end(digits, at, 10);
    if (exponent == at) return std::nullopt;
    end = exponent;
  }
  if (end != digits.size()) return std::nullopt;
  return sign * std::strtod(without_underscores(digits).c_str(), nullptr);
}

Value path_key(std::string_view part) {
  const bool number = !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
  if (!number) return Value::text(std::string(part));
  const auto index = parse_integer(part, 10);
  if (!index) throw Failure("the index {} is too large", part);
  return Value::integer(*index);
}

}  // namespace gyre::jinja
