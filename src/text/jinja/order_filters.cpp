#include <algorithm>
#include <array>

#include "text/jinja/characters.hpp"
#include "text/jinja/compare.hpp"
#include "text/jinja/filters.hpp"
#include "text/jinja/interpreter.hpp"
#include "text/jinja/operators.hpp"
#include "text/jinja/parameters.hpp"

// Filters that compare items: sorting, grouping, the least and the largest.
namespace gyre::jinja {
namespace {

/// What an item is compared by; letters of both cases are one unless the case matters.
Value in_case(Interpreter& interpreter, const Value& value, bool case_sensitive) {
  if (!value.is_text() || case_sensitive) return value;
  interpreter.budget().text(value.text().size());
  return Value::text(lower(value.text()));
}

struct Keyed {
  Value key;
  Value item;
};

std::vector<Value> sorted(std::vector<Keyed> keyed, bool reversed, Budget& budget) {
  std::stable_sort(keyed.begin(), keyed.end(), [&](const Keyed& a, const Keyed& b) {
    return reversed ? less(b.key, a.key, budget) : less(a.key, b.key, budget);
  });
  std::vector<Value> items;
  items.reserve(keyed.size());
  for (Keyed& one : keyed) items.push_back(std::move(one.item));
  return items;
}

/// Keys by an attribute, or by several with commas between them.
Value multiple_key(Interpreter& interpreter, const Value& item, const Value& attribute, bool case_sensitive) {
  std::vector<Value> parts;
  if (!attribute.is_text()) {
    parts.push_back(in_case(interpreter, attribute_path(interpreter, item, attribute), case_sensitive));
  } else {
    for (std::string_view rest = attribute.text(); true;) {
      const std::size_t end = std::min(rest.find(','), rest.size());
      const Value path = Value::text(std::string(rest.substr(0, end)));
      parts.push_back(in_case(interpreter, attribute_path(interpreter, item, path), case_sensitive));
      if (end == rest.size()) break;
      rest.remove_prefix(end + 1);
    }
  }
  return Value::list(std::move(parts));
}

Value sort(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  std::vector<Keyed> keyed;
  for (Value& item : items_of(input, interpreter.budget())) {
    Value key = multiple_key(interpreter, item, given[2], given.flag(1, false));
    keyed.push_back({std::move(key), std::move(item)});
  }
  return Value::list(sorted(std::move(keyed), given.flag(0, false), interpreter.budget()));
}

Value dict_sort(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const std::string by = given.given(1) ? given.text(1) : "key";
  if (by != "key" && by != "value") throw Failure("You can only sort by either \"key\" or \"value\"");
  if (input.is_undefined()) throw Failure("{}", input.message());
  if (!input.is_dict()) throw Failure("dictsort needs a mapping, not {}", input.type());
  std::vector<Keyed> keyed;
  for (const auto& [key, value] : input.dict().entries()) {
    keyed.push_back({in_case(interpreter, by == "key" ? key : value, given.flag(0, false)),
                     Value::list({key, value}, Value::Form::tuple)});
  }
  interpreter.budget().items(keyed.size());
  return Value::list(sorted(std::move(keyed), given.flag(2, false), interpreter.budget()));
}

Value unique(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("unique", arguments, {"case_sensitive", "attribute"});
  Dict seen;
  std::vector<Value> kept;
  for (Value& item : items_of(input, interpreter.budget())) {
    Value key = in_case(interpreter, attribute_path(interpreter, item, given[1]), given.flag(0, false));
    if (!key.is_text()) interpreter.budget().step(seen.size());  // such keys are looked for one by one
    if (seen.find(key) != nullptr) continue;
    seen.set(std::move(key), Value());
    kept.push_back(std::move(item));
  }
  return Value::object(std::make_shared<Generator>(std::move(kept)));
}

template <bool largest>
Value extreme(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given(largest ? "max" : "min", arguments, {"case_sensitive", "attribute"});
  Value found = Value::undefined("No aggregated item, sequence was empty.");
  Value found_key;
  bool first = true;
  for (const Value& item : items_of(input, interpreter.budget())) {
    Value key = in_case(interpreter, attribute_path(interpreter, item, given[1]), given.flag(0, false));
    const bool better = std::exchange(first, false) || (largest ? less(found_key, key, interpreter.budget())
                                                                : less(key, found_key, interpreter.budget()));
    if (!better) continue;
    found = item;
    found_key = std::move(key);
  }
  return found;
}

Value group_by(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("groupby", arguments, {"attribute", "default", "case_sensitive"}, 1);
  const Value* otherwise = given[1].is_none() ? nullptr : &given[1];
  const auto plain_key = [&](const Value& item) { return attribute_path(interpreter, item, given[0], otherwise); };
  const auto key = [&](const Value& item) { return in_case(interpreter, plain_key(item), given.flag(2, false)); };
  std::vector<Keyed> keyed;
  for (Value& item : items_of(input, interpreter.budget())) keyed.push_back({key(item), std::move(item)});
  const std::vector<Value> items = sorted(std::move(keyed), false, interpreter.budget());
  std::vector<Value> groups;
  for (std::size_t at = 0; at < items.size();) {
    const Value first = key(items[at]);
    std::vector<Value> members;
    for (; at < items.size() && equal(key(items[at]), first, interpreter.budget()); ++at) members.push_back(items[at]);
    Value grouper = plain_key(members.front());
    groups.push_back(Value::list({std::move(grouper), Value::list(std::move(members))}, Value::Form::group));
  }
  return Value::list(std::move(groups));
}

Value sum(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("sum", arguments, {"attribute", "start"});
  Value total = given.given(1) ? given[1] : Value::integer(0);
  if (total.is_text()) throw Failure("sum() can't sum strings; use join");
  for (const Value& item : items_of(input, interpreter.budget())) {
    const Value part = attribute_path(interpreter, item, given[0]);
    total = arithmetic(Operation::add, total, part, interpreter.budget());
  }
  return total;
}

}  // namespace

std::span<const FilterRow> order_filters() {
  static constexpr std::array<FilterRow, 7> kRows = {{{"sort", sort},
                                                      {"dictsort", dict_sort},
                                                      {"unique", unique},
                                                      {"min", extreme<false>},
                                                      {"max", extreme<true>},
                                                      {"groupby", group_by},
                                                      {"sum", sum}}};
  return kRows;
}

}  // namespace gyre::jinja
