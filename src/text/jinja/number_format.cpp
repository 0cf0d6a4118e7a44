#include "text/jinja/number_format.hpp"

#include <cmath>

#include "text/jinja/characters.hpp"
#include "text/jinja/python_text.hpp"

namespace gyre::jinja {
namespace {

bool is_align(char c) { return c == '<' || c == '>' || c == '^' || c == '='; }

[[noreturn]] void throw_spec(std::string_view spec) { throw Failure("the format \"{}\" is not supported", spec); }

FormatSpec parse_spec(std::string_view text) {
  const std::string_view whole = text;
  FormatSpec spec;
  const std::size_t first = text.empty() ? 0 : first_character(text);
  if (text.size() > first && is_align(text[first])) {
    spec.fill = text.substr(0, first);
    spec.align = text[first];
    text.remove_prefix(first + 1);
  } else if (!text.empty() && is_align(text[0])) {
    spec.align = text[0];
    text.remove_prefix(1);
  }
  const auto take = [&](char c) { return text.starts_with(c) && (text.remove_prefix(1), true); };
  if (!text.empty() && (text[0] == '+' || text[0] == '-' || text[0] == ' ')) {
    spec.sign = text[0];
    text.remove_prefix(1);
  }
  spec.alternate = take('#');
  if (take('0') && spec.align == '\0') {
    spec.fill = '0';
    spec.align = '=';
  }
  spec.width = take_count(text);
  spec.thousands = take(',');
  if (take('.')) {
    if (text.empty() || text[0] < '0' || text[0] > '9') throw_spec(whole);
    spec.precision = take_count(text);
  }
  if (!text.empty()) {
    spec.type = text[0];
    text.remove_prefix(1);
  }
  if (!text.empty()) throw_spec(whole);
  return spec;
}

/// Puts commas between the groups of three digits before the point.
std::string with_thousands(const std::string& digits) {
  const std::size_t end = std::min(digits.find_first_not_of("0123456789"), digits.size());
  std::string out;
  for (std::size_t i = 0; i < end; ++i) {
    if (i > 0 && (end - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out + digits.substr(end);
}

std::string in_base(Integer value, int base, bool capitals) {
  if (value == 0) return "0";
  std::string digits;
  for (; value != 0; value /= base) {
    digits.insert(digits.begin(), (capitals ? "0123456789ABCDEF" : "0123456789abcdef")[static_cast<int>(value % base)]);
  }
  return digits;
}

/// The digits of a number without its sign.
std::string integer_digits(Integer value, const FormatSpec& spec) {
  switch (spec.type) {
    case 'x':
      return (spec.alternate ? "0x" : "") + in_base(value, 16, false);
    case 'X':
      return (spec.alternate ? "0X" : "") + in_base(value, 16, true);
    case 'o':
      return (spec.alternate ? "0o" : "") + in_base(value, 8, false);
    case 'b':
      return (spec.alternate ? "0b" : "") + in_base(value, 2, false);
    default:
      return integer_text(value);
  }
}

std::string real_digits(double value, const FormatSpec& spec) {
  if (!std::isfinite(value)) {
    const std::string word = std::isnan(value) ? "nan" : "inf";
    const std::string percent = spec.type == '%' ? "%" : "";
    return (spec.type == 'F' || spec.type == 'E' || spec.type == 'G' ? upper(word) : word) + percent;
  }
  const int precision = spec.precision < 0 ? 6 : spec.precision;
  switch (spec.type) {
    case 'f':
    case 'F':
      return fmt::format("{:.{}f}", value, precision);
    case 'e':
      return fmt::format("{:.{}e}", value, precision);
    case 'E':
      return fmt::format("{:.{}E}", value, precision);
    case 'g':
      return fmt::format("{:.{}g}", value, std::max(precision, 1));
    case 'G':
      return fmt::format("{:.{}G}", value, std::max(precision, 1));
    case '%':
      return fmt::format("{:.{}f}%", value * 100, precision);
    default:
      if (spec.precision >= 0) throw Failure("a float with a precision needs a type such as f in its format");
      return real_text(value);
  }
}

std::string padded(std::string sign, std::string text, const FormatSpec& spec, char own_align, Budget& budget) {
  const char align = spec.align == '\0' ? own_align : spec.align;
  const auto size = static_cast<int>(count_characters(sign) + count_characters(text));
  const int room = std::max(0, spec.width - size);
  budget.text(static_cast<std::size_t>(size + room) * spec.fill.size());
  const int before = align == '<' ? 0 : align == '^' ? room / 2 : room;
  std::string left;
  std::string right;
  for (int i = 0; i < before; ++i) left += spec.fill;
  for (int i = before; i < room; ++i) right += spec.fill;
  if (align == '=') return std::move(sign) + left + std::move(text);
  return left + std::move(sign) + std::move(text) + right;
}

std::string formatted_number(const Value& value, const FormatSpec& spec, Budget& budget) {
  const bool real =
      value.is(Value::Kind::real) || std::string_view("fFeEgG%").find(spec.type) != std::string_view::npos;
  if (!real && spec.precision >= 0) throw Failure("precision not allowed in integer format specifier");
  std::string digits;
  bool negative = false;
  if (real) {
    if (value.is(Value::Kind::real) && std::string_view("xXobd").find(spec.type) != std::string_view::npos) {
      throw Failure("unknown format code '{}' for object of type 'float'", spec.type);
    }
    const double number = value.number();
    negative = std::signbit(number) && !std::isnan(number);
    digits = real_digits(std::abs(number), spec);
  } else {
    const Integer number = value.whole();
    negative = number < 0;
    digits = integer_digits(negative ? -number : number, spec);
  }
  const std::string sign = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  if (spec.thousands && spec.align == '=' && spec.fill == "0") throw_spec("0,");
  return padded(sign, spec.thousands ? with_thousands(digits) : digits, spec, '>', budget);
}

}  // namespace

int take_count(std::string_view& text) {
  int count = 0;
  for (int digits = 0; !text.empty() && text[0] >= '0' && text[0] <= '9'; ++digits) {
    if (digits == 4) throw Failure("a width or precision of more than 4 digits in a format");
    count = count * 10 + (text[0] - '0');
    text.remove_prefix(1);
  }
  return count;
}

std::string formatted(const Value& value, const FormatSpec& spec, Budget& budget) {
  const bool text_type = spec.type == 's' || spec.type == '\0';
  if (value.is_text()) {
    if (!text_type || spec.align == '=' || spec.sign != '-' || spec.alternate || spec.thousands) {
      throw Failure("the format of a str is not one for it");
    }
    const std::size_t end = spec.precision < 0
                                ? value.text().size()
                                : byte_of_character(value.text(), static_cast<std::size_t>(spec.precision));
    return padded("", value.text().substr(0, end), spec, '<', budget);
  }
  const bool number_type = std::string_view("dxXobfFeEgG%").find(spec.type) != std::string_view::npos;
  if (value.is_number() && (number_type || spec.type == '\0')) return formatted_number(value, spec, budget);
  if (value.is_number()) throw Failure("unknown format code '{}' for object of type '{}'", spec.type, value.type());
  throw Failure("a {} cannot be formatted with a width or type", value.type());
}

std::string formatted(const Value& value, std::string_view spec, Budget& budget) {
  if (spec.empty()) return text_of(value, budget);
  return formatted(value, parse_spec(spec), budget);
}

}  // namespace gyre::jinja
