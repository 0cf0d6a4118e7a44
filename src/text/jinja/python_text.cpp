#include "text/jinja/python_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "text/jinja/characters.hpp"
#include "text/utf8.hpp"

namespace gyre::jinja {
namespace {

void append_escaped(std::string& out, char32_t c, char quote) {
  if (c == U'\\' || c == static_cast<char32_t>(quote)) {
    out += '\\';
    append_utf8(out, c);
  } else if (c == U'\n') {
    out += "\\n";
  } else if (c == U'\r') {
    out += "\\r";
  } else if (c == U'\t') {
    out += "\\t";
  } else if (is_printable(c)) {
    append_utf8(out, c);
  } else if (c < 0x100) {
    out += fmt::format("\\x{:02x}", static_cast<std::uint32_t>(c));
  } else if (c < 0x10000) {
    out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(c));
  } else {
    out += fmt::format("\\U{:08x}", static_cast<std::uint32_t>(c));
  }
}

/// Writes values into one text, counting as it goes.
class Shower {
 public:
  explicit Shower(Budget& budget) : budget_(budget) {}

  void add(std::string_view text) {
    if (out_.size() + text.size() > kLongestText) budget_.text(kLongestText + 1);
    out_ += text;
  }

  void value(const Value& value) {
    const Budget::Level level(budget_);
    budget_.step();
    if (value.is_text()) {
      add(value.is_safe() ? fmt::format("Markup({})", in_quotes(value.text())) : in_quotes(value.text()));
    } else if (value.is_undefined()) {
      add("Undefined");
    } else if (value.is(Value::Kind::list)) {
      list(value.list());
    } else if (value.is_dict()) {
      dict(value.dict());
    } else {
      add(text_of(value, budget_));
    }
  }

  std::string take() {
    budget_.text(out_.size());
    return std::move(out_);
  }

 private:
  void items(const List& list, std::string_view open, std::string_view close) {
    add(open);
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) add(", ");
      value(list.items[i]);
    }
    add(close);
  }

  void list(const List& list) {
    switch (list.form) {
      case Value::Form::list:
        return items(list, "[", "]");
      case Value::Form::tuple:
      case Value::Form::group:
        return items(list, "(", list.items.size() == 1 ? ",)" : ")");
      case Value::Form::keys:
        return items(list, "dict_keys([", "])");
      case Value::Form::values:
        return items(list, "dict_values([", "])");
      case Value::Form::items:
        return items(list, "dict_items([", "])");
      case Value::Form::range: {
        const auto& [start, stop, step] = list.bounds;
        const std::string ends = integer_text(start) + ", " + integer_text(stop);
        return add("range(" + ends + (step == 1 ? "" : ", " + integer_text(step)) + ")");
      }
    }
  }

  void dict(const Dict& dict) {
    add("{");
    bool first = true;
    for (const auto& [key, held] : dict.entries()) {
      if (!std::exchange(first, false)) add(", ");
      value(key);
      add(": ");
      value(held);
    }
    add("}");
  }

  Budget& budget_;
  std::string out_;
};

}  // namespace

std::string integer_text(Integer value) {
  if (value == 0) return "0";
  std::string digits;
  for (Integer rest = value; rest != 0; rest /= 10) {
    const int digit = static_cast<int>(rest % 10);
    digits += static_cast<char>('0' + std::abs(digit));
  }
  if (value < 0) digits += '-';
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string real_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 40> buffer{};
  const auto made = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  std::string_view text(buffer.data(), static_cast<std::size_t>(made.ptr - buffer.data()));
  std::string sign;
  if (text.starts_with('-')) {
    sign = "-";
    text.remove_prefix(1);
  }
  const std::size_t mark = text.find('e');
  std::string digits(text.substr(0, mark));
  if (digits.size() > 1) digits.erase(1, 1);  // the point
  int exponent = 0;
  std::from_chars(text.data() + mark + (text[mark + 1] == '+' ? 2 : 1), text.data() + text.size(), exponent);
  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    if (count > 1) digits.insert(1, 1, '.');
    return fmt::format("{}{}e{}{:02}", sign, digits, exponent < 0 ? "-" : "+", std::abs(exponent));
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  if (count <= exponent + 1)
    return sign + digits + std::string(static_cast<std::size_t>(exponent + 1 - count), '0') + ".0";
  return sign + digits.insert(static_cast<std::size_t>(exponent) + 1, 1, '.');
}

std::string in_quotes(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for (const char32_t c : code_points(text)) append_escaped(out, c, quote);
  return out + quote;
}

std::string shown(const Value& value, Budget& budget) {
  Shower shower(budget);
  shower.value(value);
  return shower.take();
}

std::string text_of(const Value& value, Budget& budget) {
  switch (value.kind()) {
    case Value::Kind::none:
      return "None";
    case Value::Kind::undefined:
      return "";
    case Value::Kind::boolean:
      return value.truth_bit() ? "True" : "False";
    case Value::Kind::integer:
      return integer_text(value.whole());
    case Value::Kind::real:
      return real_text(value.number());
    case Value::Kind::text:
      budget.text(value.text().size());
      return value.text();
    case Value::Kind::list:
    case Value::Kind::dict:
      return shown(value, budget);
    case Value::Kind::object:
      return value.object().shown(budget);
  }
  return "";
}

}  // namespace gyre::jinja
