#include <algorithm>
#include <array>
#include <limits>

#include "text/jinja/characters.hpp"
#include "text/jinja/compare.hpp"
#include "text/jinja/interpreter.hpp"
#include "text/jinja/methods.hpp"
#include "text/jinja/parameters.hpp"
#include "text/utf8.hpp"

// Methods of str that look for a text, or cut at one.
namespace gyre::jinja {
namespace {

using Split = std::vector<std::string_view>;

/// The part of `self` between two places, for methods that take start and end.
struct Part {
  std::string_view text;
  std::size_t first_character = 0;
  bool possible = true;  ///< false when it begins behind the end, where even the empty text is not found
};

Part part_of(const Value& self, const Parameters& given, std::size_t start_at) {
  const std::string_view text = self.text();
  if (!given.given(start_at) && !given.given(start_at + 1)) return {text};
  const auto size = static_cast<Integer>(count_characters(text));
  const auto place = [&](std::size_t i, Integer otherwise) {
    if (given[i].is_none()) return otherwise;
    const Integer at = given.whole(i, otherwise);
    return std::max(Integer{0}, at < 0 ? at + size : at);
  };
  const Integer start = place(start_at, 0);
  const Integer end = std::min(place(start_at + 1, size), size);
  if (start > size || end < start) return {{}, 0, start <= end};
  const std::size_t from = byte_of_character(text, static_cast<std::size_t>(start));
  const std::size_t to = byte_of_character(text, static_cast<std::size_t>(end));
  return {text.substr(from, to - from), static_cast<std::size_t>(start)};
}

/// Where `needle` is in `self`, in characters; -1 when it is not.
Integer find_in(const Value& self, const Arguments& arguments, std::string_view name, bool last) {
  const Parameters given(name, arguments, {"sub", "start", "end"}, 1);
  const std::string& needle = given.text(0);
  const Part part = part_of(self, given, 1);
  if (!part.possible) return -1;
  const std::size_t at = last ? find_last_text(part.text, needle) : find_text(part.text, needle);
  if (at == std::string_view::npos) return -1;
  return Integer(part.first_character) + Integer(count_characters(part.text.substr(0, at)));
}

Value find(Interpreter& /*interpreter*/, const Value& self, const Arguments& arguments) {
  return Value::integer(find_in(self, arguments, "find", false));
}

Value rfind(Interpreter& /*interpreter*/, const Value& self, const Arguments& arguments) {
  return Value::integer(find_in(self, arguments, "rfind", true));
}

Value index(Interpreter& /*interpreter*/, const Value& self, const Arguments& arguments) {
  const Integer at = find_in(self, arguments, "index", false);
  if (at < 0) throw Failure("index(): substring not found");
  return Value::integer(at);
}

Value rindex(Interpreter& /*interpreter*/, const Value& self, const Arguments& arguments) {
  const Integer at = find_in(self, arguments, "rindex", true);
  if (at < 0) throw Failure("rindex(): substring not found");
  return Value::integer(at);
}

Value count(Interpreter& /*interpreter*/, const Value& self, const Arguments& arguments) {
  const Parameters given("count", arguments, {"sub", "start", "end"}, 1);
  const std::string& needle = given.text(0);
  const Part part = part_of(self, given, 1);
  if (!part.possible) return Value::integer(0);
  if (needle.empty()) return Value::integer(Integer(count_characters(part.text)) + 1);
  Integer found = 0;
  for (std::size_t at = find_text(part.text, needle); at != std::string_view::npos; ++found) {
    at = find_text(part.text, needle, at + needle.size());
  }
  return Value::integer(found);
}

/// startswith and endswith: with one text or any of a tuple.
Value has_end(const Value& self, const Arguments& arguments, std::string_view name, bool start) {
  const Parameters given(name, arguments, {"prefix", "start", "end"}, 1);
  const Part part = part_of(self, given, 1);
  const auto fits = [&](const Value& end) {
    if (end.is_undefined()) throw Failure("{}", end.message());
    if (!end.is_text()) throw Failure("{}() needs a str or a tuple of str, not {}", name, end.type());
    return part.possible && (start ? part.text.starts_with(end.text()) : part.text.ends_with(end.text()));
  };
  if (!given[0].is_list(Value::Form::tuple)) return Value::boolean(fits(given[0]));
  const std::vector<Value>& ends = given[0].list().items;
  return Value::boolean(std::any_of(ends.begin(), ends.end(), fits));
}

Value starts_with(Interpreter& /*interpreter*/, const Value& self, const Arguments& arguments) {
  return has_end(self, arguments, "startswith", true);
}

Value ends_with(Interpreter& /*interpreter*/, const Value& self, const Arguments& arguments) {
  return has_end(self, arguments, "endswith", false);
}

Value list_of(Interpreter& interpreter, const Value& self, const Split& parts, Value::Form form = Value::Form::list) {
  interpreter.budget().items(parts.size());
  interpreter.budget().text(self.text().size());
  std::vector<Value> items;
  for (const std::string_view part : parts) items.push_back(Value::text(std::string(part), self.is_safe()));
  return Value::list(std::move(items), form);
}

void add(Split& parts, std::string_view part) {
  if (parts.size() >= kMostItems) throw LimitReached("it makes a list of more than {} items", kMostItems);
  parts.push_back(part);
}

/// Cuts at runs of white space, at most `most` times from either end.
Split split_at_space(std::string_view text, std::size_t most, bool right) {
  Split words;
  std::size_t start = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = read_utf8(text.substr(at));
    const bool space = is_space(step.code_point);
    if (space && inside) add(words, text.substr(start, at - start));
    if (!space && !inside) start = at;
    inside = !space;
    at += step.length;
  }
  if (inside) words.push_back(text.substr(start));
  if (words.size() <= most) return words;
  // What is left uncut keeps the white space inside it.
  const auto end_of = [](std::string_view word) { return word.data() + word.size(); };
  if (right) {
    const std::size_t cut = words.size() - most;
    const std::string_view rest = text.substr(0, static_cast<std::size_t>(end_of(words[cut - 1]) - text.data()));
    words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(cut));
    words.insert(words.begin(), rest);
    return words;
  }
  const char* first = words[most].data();
  words.resize(most);
  words.emplace_back(first, static_cast<std::size_t>(text.data() + text.size() - first));
  return words;
}

Split split_at(std::string_view text, std::string_view separator, std::size_t most) {
  Split parts;
  std::size_t start = 0;
  for (std::size_t at = find_text(text, separator); at != std::string_view::npos && parts.size() < most;
       at = find_text(text, separator, start)) {
    add(parts, text.substr(start, at - start));
    start = at + separator.size();
  }
  parts.push_back(text.substr(start));
  return parts;
}

Split split_at_from_right(std::string_view text, std::string_view separator, std::size_t most) {
  const std::string backwards(text.rbegin(), text.rend());
  Split parts;
  for (const std::string_view part : split_at(backwards, std::string(separator.rbegin(), separator.rend()), most)) {
    const auto behind = static_cast<std::size_t>(part.data() - backwards.data());
    parts.push_back(text.substr(text.size() - behind - part.size(), part.size()));
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

Value split_from(Interpreter& interpreter, const Value& self, const Arguments& arguments, bool right) {
  const std::string_view name = right ? "rsplit" : "split";
  const Parameters given(name, arguments, {"sep", "maxsplit"});
  const Integer limit = given.whole(1, -1);
  const std::size_t most = limit < 0 || limit > std::numeric_limits<std::int32_t>::max()
                               ? std::numeric_limits<std::size_t>::max()
                               : static_cast<std::size_t>(limit);
  if (given[0].is_none()) return list_of(interpreter, self, split_at_space(self.text(), most, right));
  const std::string& separator = given.text(0);
  if (separator.empty()) throw Failure("{}(): empty separator", name);
  return list_of(interpreter, self,
                 right ? split_at_from_right(self.text(), separator, most) : split_at(self.text(), separator, most));
}

Value split(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  return split_from(interpreter, self, arguments, false);
}

Value rsplit(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  return split_from(interpreter, self, arguments, true);
}

Value split_lines_of(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters given("splitlines", arguments, {"keepends"});
  return list_of(interpreter, self, split_lines(self.text(), given.flag(0, false)));
}

Value partition_from(Interpreter& interpreter, const Value& self, const Arguments& arguments, bool right) {
  const Parameters given(right ? "rpartition" : "partition", arguments, {"sep"}, 1);
  const std::string_view text = self.text();
  const std::string& separator = given.text(0);
  if (separator.empty()) throw Failure("partition(): empty separator");
  const std::size_t at = right ? find_last_text(text, separator) : find_text(text, separator);
  Split parts = {text, {}, {}};
  if (at != std::string_view::npos) {
    parts = {text.substr(0, at), separator, text.substr(at + separator.size())};
  } else if (right) {
    parts = {{}, {}, text};
  }
  return list_of(interpreter, self, parts, Value::Form::tuple);
}

Value partition(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  return partition_from(interpreter, self, arguments, false);
}

Value rpartition(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  return partition_from(interpreter, self, arguments, true);
}

}  // namespace

std::span<const MethodRow> text_search_methods() {
  static constexpr std::array<MethodRow, 12> kRows = {{{"find", find},
                                                       {"rfind", rfind},
                                                       {"index", index},
                                                       {"rindex", rindex},
                                                       {"count", count},
                                                       {"startswith", starts_with},
                                                       {"endswith", ends_with},
                                                       {"split", split},
                                                       {"rsplit", rsplit},
                                                       {"splitlines", split_lines_of},
                                                       {"partition", partition},
                                                       {"rpartition", rpartition}}};
  return kRows;
}

}  // namespace gyre::jinja
