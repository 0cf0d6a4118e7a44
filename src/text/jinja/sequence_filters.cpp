#include <algorithm>
#include <array>

#include "text/jinja/characters.hpp"
#include "text/jinja/compare.hpp"
#include "text/jinja/filters.hpp"
#include "text/jinja/interpreter.hpp"
#include "text/jinja/literals.hpp"
#include "text/jinja/parameters.hpp"

// Filters that choose, walk over and change sequences.
namespace gyre::jinja {
namespace {

/// What `fill` adds to the items, as a generator: where it fails, whoever takes as many items meets the failure.
template <typename Fill>
Value generated(const Fill& fill) {
  std::vector<Value> items;
  std::optional<std::string> failure;
  try {
    fill(items);
  } catch (const LimitReached&) {
    throw;
  } catch (const Raised&) {
    throw;
  } catch (const Failure& met) {
    failure = met.what();
  }
  return Value::object(std::make_shared<Generator>(std::move(items), std::move(failure)));
}

Value default_of(Interpreter& /*interpreter*/, const Value& input, const Arguments& arguments) {
  const Parameters given("default", arguments, {"default_value", "boolean"});
  const bool takes = input.is_undefined() || (given.flag(1, false) && !truth(input));
  return takes ? (given.given(0) ? given[0] : Value::text("")) : input;
}

Value length(Interpreter& /*interpreter*/, const Value& input, const Arguments& arguments) {
  const Parameters given("length", arguments, {});
  const auto size = length_of(input);
  if (!size) throw Failure("object of type '{}' has no length", input.type());
  return Value::integer(static_cast<Integer>(*size));
}

Value first(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("first", arguments, {});
  const Value nothing = Value::undefined("No first item, sequence was empty.");
  if (auto* generator = input.as<Generator>()) return generator->next().value_or(nothing);
  if (input.is_text() && !input.text().empty()) {
    return Value::text(input.text().substr(0, first_character(input.text())));
  }
  const std::vector<Value> items = items_of(input, interpreter.budget());
  return items.empty() ? nothing : items.front();
}

void require_reversible(const Value& input) {
  if (input.as<Generator>() != nullptr) throw Failure("'generator' object is not reversible; make a list of it first");
}

Value last(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("last", arguments, {});
  require_reversible(input);
  if (input.is_text()) return interpreter.item(input, Value::integer(-1));
  const std::vector<Value> items = items_of(input, interpreter.budget());
  return items.empty() ? Value::undefined("No last item, sequence was empty.") : items.back();
}

Value list(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("list", arguments, {});
  return Value::list(items_of(input, interpreter.budget()));
}

Value reverse(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("reverse", arguments, {});
  if (input.is_text()) {
    std::string text;
    for (std::string_view rest = input.text(); !rest.empty();) {
      const std::size_t at = last_character(rest);
      text += rest.substr(at);
      rest.remove_suffix(rest.size() - at);
    }
    interpreter.budget().text(text.size());
    return Value::text(std::move(text), input.is_safe());
  }
  std::vector<Value> items = items_of(input, interpreter.budget());
  std::reverse(items.begin(), items.end());
  if (input.as<Generator>() != nullptr) return Value::list(std::move(items));
  return Value::object(std::make_shared<Generator>(std::move(items)));
}

Value items(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("items", arguments, {});
  return generated([&](std::vector<Value>& out) {
    if (input.is_undefined()) return;
    if (!input.is_dict()) throw Failure("Can only get item pairs from a mapping.");
    interpreter.budget().items(input.dict().size());
    for (const auto& [key, value] : input.dict().entries())
      out.push_back(Value::list({key, value}, Value::Form::tuple));
  });
}

Value map(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  return generated([&](std::vector<Value>& out) {
    if (!truth(input)) return;
    if (arguments.values.empty()) {
      const Parameters given("map", arguments, {"attribute", "default"}, 1);
      const Value* otherwise = given[1].is_none() ? nullptr : &given[1];
      for (const Value& item : items_of(input, interpreter.budget())) {
        out.push_back(attribute_path(interpreter, item, given[0], otherwise));
      }
      return;
    }
    const Value& name = arguments.values.front();
    if (!name.is_text()) throw Failure("map() needs the name of a filter, not {}", name.type());
    const Arguments rest = {{arguments.values.begin() + 1, arguments.values.end()}, arguments.named};
    for (const Value& item : items_of(input, interpreter.budget())) {
      out.push_back(interpreter.filter(name.text(), item, rest));
    }
  });
}

/// select, reject and their forms with an attribute.
template <bool selects, bool by_attribute>
Value choose(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  return generated([&](std::vector<Value>& out) {
    if (!truth(input)) return;
    constexpr std::size_t kTest = by_attribute ? 1 : 0;
    if (by_attribute && arguments.values.empty()) throw Failure("Missing parameter for attribute name");
    const bool tests = arguments.values.size() > kTest;
    if (tests && !arguments.values[kTest].is_text()) throw Failure("the name of a test must be a str");
    Arguments rest;
    if (tests) rest = {{arguments.values.begin() + kTest + 1, arguments.values.end()}, arguments.named};
    for (const Value& item : items_of(input, interpreter.budget())) {
      const Value looked_at = by_attribute ? attribute_path(interpreter, item, arguments.values[0]) : item;
      const bool holds = tests ? interpreter.test(arguments.values[kTest].text(), looked_at, rest) : truth(looked_at);
      if (holds == selects) out.push_back(item);
    }
  });
}

Value batch(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("batch", arguments, {"linecount", "fill_with"}, 1);
  return generated([&](std::vector<Value>& out) {
    const Integer size = given.whole(0, 0);
    std::vector<Value> row;
    bool begun = false;
    for (Value& item : items_of(input, interpreter.budget())) {
      if (begun && static_cast<Integer>(row.size()) == size) out.push_back(Value::list(std::exchange(row, {})));
      begun = true;
      row.push_back(std::move(item));
    }
    if (row.empty()) return;
    if (!given[1].is_none() && size > 0)
      interpreter.budget().items(static_cast<std::size_t>(std::min(size, Integer{1} << 40)));
    while (!given[1].is_none() && static_cast<Integer>(row.size()) < size) row.push_back(given[1]);
    out.push_back(Value::list(std::move(row)));
  });
}

Value slice(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("slice", arguments, {"slices", "fill_with"}, 1);
  return generated([&](std::vector<Value>& out) {
    const std::vector<Value> all = items_of(input, interpreter.budget());
    const Integer count = given.whole(0, 0);
    if (count == 0) throw Failure("integer division or modulo by zero");
    interpreter.budget().items(static_cast<std::size_t>(std::clamp(count, Integer{0}, Integer{1} << 40)));
    const auto size = static_cast<Integer>(all.size());
    auto next = all.begin();
    for (Integer i = 0; i < count; ++i) {
      const bool longer = i < size % count;
      const auto end = next + static_cast<std::ptrdiff_t>(size / count + (longer ? 1 : 0));
      std::vector<Value> part(next, end);
      next = end;
      if (!given[1].is_none() && !longer) part.push_back(given[1]);
      out.push_back(Value::list(std::move(part)));
    }
  });
}

Value attr(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("attr", arguments, {"name"}, 1);
  if (input.is_dict() && input.dict().find(given.text(0)) != nullptr) {
    // Attributes alone are looked at, not items.
    const Value empty = Value::dict({});
    return interpreter.attribute(empty, given.text(0));
  }
  return interpreter.attribute(input, given.text(0));
}

}  // namespace

Value attribute_path(Interpreter& interpreter, const Value& item, const Value& path, const Value* otherwise) {
  const auto step = [&](const Value& from, const Value& key) {
    Value found = interpreter.item(from, key);
    return otherwise != nullptr && found.is_undefined() ? *otherwise : found;
  };
  if (!path.is_text()) return path.is_none() ? item : step(item, path);
  Value value = item;
  std::string_view rest = path.text();
  while (true) {
    const std::size_t end = std::min(rest.find('.'), rest.size());
    value = step(value, path_key(rest.substr(0, end)));
    if (end == rest.size()) return value;
    rest.remove_prefix(end + 1);
  }
}

std::span<const FilterRow> sequence_filters() {
  static constexpr std::array<FilterRow, 17> kRows = {{{"default", default_of},
                                                       {"d", default_of},
                                                       {"length", length},
                                                       {"count", length},
                                                       {"first", first},
                                                       {"last", last},
                                                       {"list", list},
                                                       {"reverse", reverse},
                                                       {"items", items},
                                                       {"map", map},
                                                       {"select", choose<true, false>},
                                                       {"reject", choose<false, false>},
                                                       {"selectattr", choose<true, true>},
                                                       {"rejectattr", choose<false, true>},
                                                       {"batch", batch},
                                                       {"slice", slice},
                                                       {"attr", attr}}};
  return kRows;
}

}  // namespace gyre::jinja
