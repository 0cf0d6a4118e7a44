#include <algorithm>
#include <array>

#include "text/jinja/brace_format.hpp"
#include "text/jinja/characters.hpp"
#include "text/jinja/compare.hpp"
#include "text/jinja/filters.hpp"
#include "text/jinja/interpreter.hpp"
#include "text/jinja/methods.hpp"
#include "text/jinja/parameters.hpp"
#include "text/utf8.hpp"

// Methods of str that give another form of the text, or say what it is made of.
namespace gyre::jinja {
namespace {

Value made(Interpreter& interpreter, const Value& self, std::string text) {
  interpreter.budget().text(text.size());
  return Value::text(std::move(text), self.is_safe());
}

Value upper_of(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters given("upper", arguments, {});
  return made(interpreter, self, upper(self.text()));
}

Value lower_of(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters given("lower", arguments, {});
  return made(interpreter, self, lower(self.text()));
}

Value title_of(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters given("title", arguments, {});
  return made(interpreter, self, title(self.text()));
}

Value capitalized(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters given("capitalize", arguments, {});
  return made(interpreter, self, capitalize(self.text()));
}

Value swapped(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters given("swapcase", arguments, {});
  return made(interpreter, self, swap_case(self.text()));
}

Value stripped(Interpreter& interpreter, const Value& self, const Arguments& arguments, std::string_view name,
               bool left, bool right) {
  const Parameters given(name, arguments, {"chars"});
  const std::string_view kept =
      given[0].is_none() ? strip(self.text(), left, right) : strip(self.text(), given.text(0), left, right);
  return made(interpreter, self, std::string(kept));
}

Value strip_of(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  return stripped(interpreter, self, arguments, "strip", true, true);
}

Value lstrip(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  return stripped(interpreter, self, arguments, "lstrip", true, false);
}

Value rstrip(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  return stripped(interpreter, self, arguments, "rstrip", false, true);
}

Value remove_prefix(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters given("removeprefix", arguments, {"prefix"}, 1);
  const std::string& end = given.text(0);
  return made(interpreter, self, self.text().starts_with(end) ? self.text().substr(end.size()) : self.text());
}

Value remove_suffix(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters given("removesuffix", arguments, {"suffix"}, 1);
  const std::string& end = given.text(0);
  const std::string& text = self.text();
  return made(interpreter, self, text.ends_with(end) ? text.substr(0, text.size() - end.size()) : text);
}

Value replace_in(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters given("replace", arguments, {"old", "new", "count"}, 2);
  const bool escape = self.is_safe() && !given[1].is_safe();
  const std::string with = escape ? escaped(given.text(1)) : given.text(1);
  return made(interpreter, self, replaced(self.text(), given.text(0), with, given.whole(2, -1), interpreter.budget()));
}

/// Room on either side up to a width, in characters.
Value padded(Interpreter& interpreter, const Value& self, const Arguments& arguments, std::string_view name,
             char side) {
  const Parameters given(name, arguments, {"width", "fillchar"}, 1);
  const std::string fill = given.given(1) ? given.text(1) : " ";
  if (count_characters(fill) != 1) throw Failure("{}(): the fill character must be exactly one character long", name);
  const auto size = static_cast<Integer>(count_characters(self.text()));
  const Integer room = std::clamp(given.whole(0, 0) - size, Integer{0}, static_cast<Integer>(kLongestText));
  interpreter.budget().text(static_cast<std::size_t>(room) * fill.size());
  const Integer before = side == '<' ? 0 : side == '>' ? room : room / 2 + (room & (size + room) & 1);
  std::string text;
  for (Integer i = 0; i < before; ++i) text += fill;
  text += self.text();
  for (Integer i = before; i < room; ++i) text += fill;
  return made(interpreter, self, std::move(text));
}

Value center_in(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  return padded(interpreter, self, arguments, "center", '^');
}

Value ljust(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  return padded(interpreter, self, arguments, "ljust", '<');
}

Value rjust(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  return padded(interpreter, self, arguments, "rjust", '>');
}

Value zfill(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters given("zfill", arguments, {"width"}, 1);
  const auto size = static_cast<Integer>(count_characters(self.text()));
  const Integer room = std::clamp(given.whole(0, 0) - size, Integer{0}, static_cast<Integer>(kLongestText));
  const bool sign = self.text().starts_with('-') || self.text().starts_with('+');
  interpreter.budget().text(static_cast<std::size_t>(room));
  std::string text = self.text();
  return made(interpreter, self, text.insert(sign ? 1 : 0, static_cast<std::size_t>(room), '0'));
}

Value join_by(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters given("join", arguments, {"iterable"}, 1);
  if (self.is_safe()) throw Failure("join() of a text that is marked safe is not supported");
  std::string text;
  bool first = true;
  for (const Value& item : items_of(given[0], interpreter.budget())) {
    if (!item.is_text()) throw Failure("join(): expected str instances, found {}", item.type());
    if (text.size() + self.text().size() + item.text().size() > kLongestText)
      interpreter.budget().text(kLongestText + 1);
    if (!std::exchange(first, false)) text += self.text();
    text += item.text();
  }
  return made(interpreter, self, std::move(text));
}

Value format_by(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  if (self.is_safe()) throw Failure("format() of a text that is marked safe is not supported");
  return made(interpreter, self, brace_format(interpreter, self.text(), arguments));
}

/// Whether the text has characters and all of them fit.
template <bool (*fits)(char32_t)>
Value all_are(Interpreter& /*interpreter*/, const Value& self, const Arguments& arguments) {
  const Parameters given("is...", arguments, {});
  const std::vector<char32_t> points = code_points(self.text());
  return Value::boolean(!points.empty() && std::all_of(points.begin(), points.end(), fits));
}

Value is_ascii(Interpreter& /*interpreter*/, const Value& self, const Arguments& arguments) {
  const Parameters given("isascii", arguments, {});
  return Value::boolean(std::all_of(self.text().begin(), self.text().end(), [](char c) { return c >= 0; }));
}

Value is_printable_text(Interpreter& /*interpreter*/, const Value& self, const Arguments& arguments) {
  const Parameters given("isprintable", arguments, {});
  const std::vector<char32_t> points = code_points(self.text());
  return Value::boolean(std::all_of(points.begin(), points.end(), is_printable));
}

Value has_lower_case(Interpreter& /*interpreter*/, const Value& self, const Arguments& arguments) {
  const Parameters given("islower", arguments, {});
  return Value::boolean(is_in_case(self.text(), false));
}

Value has_upper_case(Interpreter& /*interpreter*/, const Value& self, const Arguments& arguments) {
  const Parameters given("isupper", arguments, {});
  return Value::boolean(is_in_case(self.text(), true));
}

}  // namespace

std::span<const MethodRow> text_form_methods() {
  static constexpr std::array<MethodRow, 26> kRows = {{{"upper", upper_of},
                                                       {"lower", lower_of},
                                                       {"title", title_of},
                                                       {"capitalize", capitalized},
                                                       {"swapcase", swapped},
                                                       {"strip", strip_of},
                                                       {"lstrip", lstrip},
                                                       {"rstrip", rstrip},
                                                       {"removeprefix", remove_prefix},
                                                       {"removesuffix", remove_suffix},
                                                       {"replace", replace_in},
                                                       {"center", center_in},
                                                       {"ljust", ljust},
                                                       {"rjust", rjust},
                                                       {"zfill", zfill},
                                                       {"join", join_by},
                                                       {"format", format_by},
                                                       {"isalpha", all_are<is_alphabetic>},
                                                       {"isdigit", all_are<is_digit>},
                                                       {"isdecimal", all_are<is_decimal>},
                                                       {"isalnum", all_are<is_alphanumeric>},
                                                       {"isspace", all_are<is_space>},
                                                       {"isascii", is_ascii},
                                                       {"isprintable", is_printable_text},
                                                       {"islower", has_lower_case},
                                                       {"isupper", has_upper_case}}};
  return kRows;
}

}  // namespace gyre::jinja
