#include <algorithm>
#include <array>

#include "text/jinja/characters.hpp"
#include "text/jinja/compare.hpp"
#include "text/jinja/filters.hpp"
#include "text/jinja/interpreter.hpp"
#include "text/jinja/json_text.hpp"
#include "text/jinja/parameters.hpp"
#include "text/jinja/percent_format.hpp"
#include "text/jinja/python_text.hpp"
#include "text/utf8.hpp"

// Filters that give text.
namespace gyre::jinja {
namespace {

/// The input as text; what is marked safe stays so.
Value as_text(Interpreter& interpreter, const Value& input) {
  return input.is_text() ? input : Value::text(text_of(input, interpreter.budget()));
}

Value made(Interpreter& interpreter, std::string text, bool safe) {
  interpreter.budget().text(text.size());
  return Value::text(std::move(text), safe);
}

Value trim(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("trim", arguments, {"chars"});
  const Value text = as_text(interpreter, input);
  const bool spaces = given[0].is_none();
  const std::string_view kept = spaces ? strip(text.text(), true, true) : strip(text.text(), given.text(0), true, true);
  return made(interpreter, std::string(kept), text.is_safe());
}

template <std::string (*form)(std::string_view)>
Value in_form(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("filter", arguments, {});
  const Value text = as_text(interpreter, input);
  return made(interpreter, form(text.text()), text.is_safe());
}

Value string(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("string", arguments, {});
  return as_text(interpreter, input);
}

Value safe(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("safe", arguments, {});
  return Value::text(text_of(input, interpreter.budget()), true);
}

Value escape(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("escape", arguments, {});
  if (input.is_safe()) return input;
  return made(interpreter, escaped(text_of(input, interpreter.budget())), true);
}

Value force_escape(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("forceescape", arguments, {});
  return made(interpreter, escaped(text_of(input, interpreter.budget())), true);
}

Value replace(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("replace", arguments, {"old", "new", "count"}, 2);
  Budget& budget = interpreter.budget();
  const Integer count = given[2].is_none() ? -1 : given.whole(2, -1);
  const std::string text = text_of(input, budget);
  return made(interpreter, replaced(text, text_of(given[0], budget), text_of(given[1], budget), count, budget), false);
}

Value join(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("join", arguments, {"d", "attribute"});
  Budget& budget = interpreter.budget();
  const std::string between = given.given(0) ? text_of(given[0], budget) : std::string();
  std::string text;
  bool first = true;
  for (const Value& item : items_of(input, budget)) {
    const Value part = given[1].is_none() ? item : attribute_path(interpreter, item, given[1]);
    const std::string added = text_of(part, budget);
    if (text.size() + between.size() + added.size() > kLongestText) budget.text(kLongestText + 1);
    if (!std::exchange(first, false)) text += between;
    text += added;
  }
  return made(interpreter, std::move(text), false);
}

Value indent(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("indent", arguments, {"width", "first", "blank"});
  if (input.is_undefined()) throw Failure("{}", input.message());
  if (!input.is_text()) throw Failure("indent needs a str, not {}", input.type());
  const Integer width =
      given[0].is_text() ? 0 : std::clamp(given.whole(0, 4), Integer{0}, static_cast<Integer>(kLongestText));
  const std::string space = given[0].is_text() ? given.text(0) : std::string(static_cast<std::size_t>(width), ' ');
  const std::string with_break = input.text() + "\n";
  std::string text = given.flag(1, false) ? space : "";
  bool first = true;
  for (const std::string_view line : split_lines(with_break, false)) {
    if (text.size() + space.size() + line.size() + 1 > kLongestText) interpreter.budget().text(kLongestText + 1);
    const bool begins = std::exchange(first, false);
    if (!begins) text += '\n';
    if (!begins && (!line.empty() || given.flag(2, false))) text += space;
    text += line;
  }
  return made(interpreter, std::move(text), input.is_safe());
}

Value center(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("center", arguments, {"width"});
  const Value text = as_text(interpreter, input);
  Arguments width;
  width.values.push_back(Value::integer(given.whole(0, 80)));
  return interpreter.call(interpreter.attribute(text, "center"), width);
}

Value format(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  if (!arguments.values.empty() && !arguments.named.empty()) {
    throw Failure("format takes positional or keyword arguments, not both");
  }
  const Value text = as_text(interpreter, input);
  if (arguments.named.empty()) {
    return percent_format(text, Value::list(arguments.values, Value::Form::tuple), interpreter.budget());
  }
  Dict named;
  for (const auto& [name, value] : arguments.named) named.set(Value::text(name), value);
  return percent_format(text, Value::dict(std::move(named)), interpreter.budget());
}

Value truncate(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("truncate", arguments, {"length", "killwords", "end", "leeway"});
  const std::string end = given.given(2) ? given.text(2) : "...";
  const Integer length = given.whole(0, 255);
  const Integer leeway = given[3].is_none() ? 5 : given.whole(3, 5);
  const auto end_size = static_cast<Integer>(count_characters(end));
  if (length < end_size) throw Failure("truncate: expected length >= {}, got less", count_characters(end));
  if (leeway < 0) throw Failure("truncate: expected leeway >= 0, got less");
  const auto size = length_of(input);
  if (size && static_cast<Integer>(*size) <= length + leeway) return input;
  if (!input.is_text()) throw Failure("truncate needs a str, not {}", input.type());
  const std::string_view kept =
      std::string_view(input.text())
          .substr(0, byte_of_character(input.text(), static_cast<std::size_t>(length - end_size)));
  const std::size_t cut = given.flag(1, false) ? std::string_view::npos : kept.rfind(' ');
  return made(interpreter, std::string(kept.substr(0, cut)) + end, input.is_safe());
}

Value word_count(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("wordcount", arguments, {});
  Integer count = 0;
  bool inside = false;
  for (const char32_t c : code_points(as_text(interpreter, input).text())) {
    const bool word = is_alphanumeric(c) || c == U'_';
    count += word && !inside ? 1 : 0;
    inside = word;
  }
  return Value::integer(count);
}

/// tojson as transformers defines it: json.dumps, with characters as they are.
Value to_json(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii = given.flag(0, false);
  style.sort_keys = given.flag(3, false);
  if (given[1].is_text()) {
    style.indent = given[1].text();
  } else if (!given[1].is_none()) {
    const Integer width = std::clamp(given.whole(1, 0), Integer{0}, Integer{4096});
    style.indent = std::string(static_cast<std::size_t>(width), ' ');
  }
  if (style.indent) style.between_items = ',';
  if (!given[2].is_none()) {
    const std::vector<Value> separators = items_of(given[2], interpreter.budget());
    if (separators.size() != 2 || !separators[0].is_text() || !separators[1].is_text()) {
      throw Failure("tojson: separators must be two texts");
    }
    style.between_items = separators[0].text();
    style.behind_key = separators[1].text();
  }
  return Value::text(json_text(input, style, interpreter.budget()));
}

}  // namespace

std::string title_of_words(std::string_view text) {
  constexpr std::string_view kBefore = "-({[<";
  std::string out;
  std::size_t start = 0;
  const auto add = [&](std::size_t end) {
    if (end == start) return;
    const std::string_view word = text.substr(start, end - start);
    const std::size_t first = first_character(word);
    out += upper(word.substr(0, first)) + lower(word.substr(first));
    start = end;
  };
  bool between = false;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = read_utf8(text.substr(at));
    const bool separates = is_space(step.code_point) || kBefore.find(text[at]) != std::string_view::npos;
    if (separates != between) add(at);
    between = separates;
    at += step.length;
  }
  add(text.size());
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::span<const FilterRow> text_filters() {
  static constexpr std::array<FilterRow, 18> kRows = {{{"trim", trim},
                                                       {"upper", in_form<upper>},
                                                       {"lower", in_form<lower>},
                                                       {"capitalize", in_form<capitalize>},
                                                       {"title", in_form<title_of_words>},
                                                       {"string", string},
                                                       {"safe", safe},
                                                       {"escape", escape},
                                                       {"e", escape},
                                                       {"forceescape", force_escape},
                                                       {"replace", replace},
                                                       {"join", join},
                                                       {"indent", indent},
                                                       {"center", center},
                                                       {"format", format},
                                                       {"truncate", truncate},
                                                       {"wordcount", word_count},
                                                       {"tojson", to_json}}};
  return kRows;
}

}  // namespace gyre::jinja
