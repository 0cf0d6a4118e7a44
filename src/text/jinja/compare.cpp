#include "text/jinja/compare.hpp"

#include <algorithm>

#include "text/jinja/characters.hpp"

namespace gyre::jinja {
namespace {

/// Lists are equal to lists and tuples to tuples, however they came about.
Value::Form family_of(const Value& value) {
  const Value::Form form = value.list().form;
  return form == Value::Form::group ? Value::Form::tuple : form;
}

bool equal_lists(const List& a, const List& b, Budget& budget) {
  if (a.items.size() != b.items.size()) return false;
  for (std::size_t i = 0; i < a.items.size(); ++i) {
    if (!equal(a.items[i], b.items[i], budget)) return false;
  }
  return true;
}

bool equal_dicts(const Dict& a, const Dict& b, Budget& budget) {
  if (a.size() != b.size()) return false;
  for (const auto& [key, value] : a.entries()) {
    const Value* other = b.find(key);
    if (other == nullptr || !equal(value, *other, budget)) return false;
  }
  return true;
}

[[noreturn]] void throw_order(const Value& a, const Value& b) {
  if (a.is_undefined()) throw Failure("{}", a.message());
  if (b.is_undefined()) throw Failure("{}", b.message());
  throw Failure("'<' not supported between instances of '{}' and '{}'", a.type(), b.type());
}

}  // namespace

bool truth(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::none:
    case Value::Kind::undefined:
      return false;
    case Value::Kind::boolean:
      return value.truth_bit();
    case Value::Kind::integer:
      return value.whole() != 0;
    case Value::Kind::real:
      return value.number() != 0;
    case Value::Kind::text:
      return !value.text().empty();
    case Value::Kind::list:
      return !value.list().items.empty();
    case Value::Kind::dict:
      return value.dict().size() > 0;
    case Value::Kind::object:
      return true;
  }
  return false;
}

bool equal(const Value& a, const Value& b, Budget& budget) {
  budget.step();
  if (a.is_whole() && b.is_whole()) return a.whole() == b.whole();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.kind() != b.kind()) return false;
  if (a.is_text()) {
    budget.step(std::min(a.text().size(), b.text().size()) / 64);
    return a.text() == b.text();
  }
  if (a.is(Value::Kind::list)) {
    const Budget::Level level(budget);
    return family_of(a) == family_of(b) && equal_lists(a.list(), b.list(), budget);
  }
  if (a.is_dict()) {
    const Budget::Level level(budget);
    return equal_dicts(a.dict(), b.dict(), budget);
  }
  return a.is_undefined() || a.same_as(b);
}

bool less(const Value& a, const Value& b, Budget& budget) {
  budget.step();
  if (a.is_whole() && b.is_whole()) return a.whole() < b.whole();
  if (a.is_number() && b.is_number()) return a.number() < b.number();
  if (a.is_text() && b.is_text()) return a.text() < b.text();  // UTF-8 sorts as its code points do
  if (!a.is(Value::Kind::list) || !b.is(Value::Kind::list) || family_of(a) != family_of(b)) throw_order(a, b);
  if (family_of(a) != Value::Form::list && family_of(a) != Value::Form::tuple) throw_order(a, b);
  const Budget::Level level(budget);
  const std::vector<Value>& left = a.list().items;
  const std::vector<Value>& right = b.list().items;
  for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    if (!equal(left[i], right[i], budget)) return less(left[i], right[i], budget);
  }
  return left.size() < right.size();
}

bool contains(const Value& hay, const Value& needle, Budget& budget) {
  if (hay.is_text()) {
    if (needle.is_undefined() || !needle.is_text()) {
      throw Failure("'in <string>' requires string as left operand, not {}", needle.type());
    }
    budget.step(hay.text().size() / 64);
    return find_text(hay.text(), needle.text()) != std::string::npos;
  }
  if (hay.is_dict()) return hay.dict().find(needle) != nullptr;
  if (hay.is_undefined()) return false;
  if (!iterable(hay)) throw Failure("argument of type '{}' is not iterable", hay.type());
  if (auto* generator = hay.as<Generator>()) {
    while (const auto item = generator->next()) {
      if (equal(*item, needle, budget)) return true;
    }
    return false;
  }
  const std::vector<Value>& items = hay.list().items;
  return std::any_of(items.begin(), items.end(), [&](const Value& item) { return equal(item, needle, budget); });
}

bool iterable(const Value& value) {
  return value.is_text() || value.is_dict() || value.is(Value::Kind::list) || value.is_undefined() ||
         value.as<Generator>() != nullptr;
}

std::vector<Value> items_of(const Value& value, Budget& budget) {
  std::vector<Value> items;
  if (value.is(Value::Kind::list)) {
    budget.items(value.list().items.size());
    return value.list().items;
  }
  if (value.is_dict()) {
    budget.items(value.dict().size());
    for (const auto& [key, held] : value.dict().entries()) items.push_back(key);
  } else if (value.is_text()) {
    budget.items(count_characters(value.text()));
    for (std::string_view rest = value.text(); !rest.empty();) {
      const std::size_t size = first_character(rest);
      items.push_back(Value::text(std::string(rest.substr(0, size))));
      rest.remove_prefix(size);
    }
  } else if (auto* generator = value.as<Generator>()) {
    while (auto item = generator->next()) {
      budget.step();
      items.push_back(*std::move(item));
    }
  } else if (!value.is_undefined()) {
    throw Failure("'{}' object is not iterable", value.type());
  }
  return items;
}

std::optional<std::size_t> length_of(const Value& value) {
  if (value.is_text()) return count_characters(value.text());
  if (value.is(Value::Kind::list)) return value.list().items.size();
  if (value.is_dict()) return value.dict().size();
  if (value.is_undefined()) return 0;
  return std::nullopt;
}

}  // namespace gyre::jinja
