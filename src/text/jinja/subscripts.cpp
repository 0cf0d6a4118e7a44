#include "text/jinja/subscripts.hpp"

#include <algorithm>
#include <optional>

#include "text/jinja/characters.hpp"
#include "text/jinja/interpreter.hpp"
#include "text/jinja/methods.hpp"
#include "text/jinja/python_text.hpp"

namespace gyre::jinja {
namespace {

/// Jinja's words for what has no such item or attribute.
Value missing(const Value& value, std::string_view name) {
  const std::string holder = value.is_none() ? "None" : fmt::format("{} object", value.type());
  return Value::undefined(fmt::format("'{}' has no attribute '{}'", holder, name));
}

Value missing_element(const Value& value, const Value& key, Budget& budget) {
  return Value::undefined(fmt::format("{} object has no element {}", value.type(), shown(key, budget)));
}

/// An attribute or method, or nothing. What the sandbox forbids is undefined.
std::optional<Value> plain_attribute(const Value& value, std::string_view name) {
  if (value.is(Value::Kind::object)) {
    auto found = value.object().attribute(name);
    if (!found || !name.starts_with('_')) return found;
  }
  if (name.starts_with("__") || is_forbidden_method(value, name)) {
    return Value::undefined(fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, value.type()));
  }
  if (value.is_list(Value::Form::group)) {
    if (name == "grouper") return value.list().items[0];
    if (name == "list") return value.list().items[1];
  }
  return method_of(value, name);
}

/// The character or element of a place counted from either end.
std::optional<Value> at_place(const Value& value, Integer place, Budget& budget) {
  if (value.is_text()) budget.step(value.text().size() / 64);
  const auto size = static_cast<Integer>(value.is_text() ? count_characters(value.text()) : value.list().items.size());
  if (place < 0) place += size;
  if (place < 0 || place >= size) return std::nullopt;
  const auto index = static_cast<std::size_t>(place);
  if (!value.is_text()) return value.list().items[index];
  const std::size_t at = byte_of_character(value.text(), index);
  const std::string_view rest = std::string_view(value.text()).substr(at);
  return Value::text(std::string(rest.substr(0, first_character(rest))), value.is_safe());
}

bool has_places(const Value& value) {
  return value.is_text() || value.is_list(Value::Form::list) || value.is_list(Value::Form::tuple) ||
         value.is_list(Value::Form::range) || value.is_list(Value::Form::group);
}

std::optional<Value> plain_item(const Value& value, const Value& key, Budget& budget) {
  if (value.is_dict()) {
    try {
      const Value* found = value.dict().find(key);
      return found == nullptr ? std::nullopt : std::optional(*found);
    } catch (const LimitReached&) {
      throw;
    } catch (const Failure&) {
      return std::nullopt;  // what cannot be a key is none of the keys
    }
  }
  if (has_places(value) && key.is_whole()) return at_place(value, key.whole(), budget);
  return std::nullopt;
}

/// Where a slice begins and how many places it has.
struct Places {
  Integer start;
  Integer step;
  Integer count;
};

Integer bound_of(const Value& bound) {
  if (bound.is_undefined()) throw Failure("{}", bound.message());
  if (!bound.is_whole()) throw Failure("slice indices must be integers or None, not {}", bound.type());
  return bound.whole();
}

Places places_of(const std::array<Value, 3>& bounds, Integer size) {
  const Integer step = bounds[2].is_none() ? 1 : bound_of(bounds[2]);
  if (step == 0) throw Failure("slice step cannot be zero");
  const Integer least = step > 0 ? 0 : -1;
  const Integer most = step > 0 ? size : size - 1;
  const auto place = [&](const Value& bound, Integer otherwise) {
    if (bound.is_none()) return otherwise;
    Integer at = bound_of(bound);
    if (at < 0) at = std::max(at, -size - 1) + size;
    return std::clamp(at, least, std::max(least, most));
  };
  const Integer start = place(bounds[0], step > 0 ? least : most);
  const Integer stop = place(bounds[1], step > 0 ? most : least);
  const Integer distance = step > 0 ? stop - start : start - stop;
  if (distance <= 0) return {start, step, 0};
  const Integer stride = std::min(step > 0 ? step : -std::max(step, -size - 1), size + 1);
  return {start, step > 0 ? stride : -stride, (distance + stride - 1) / stride};
}

}  // namespace

Value attribute_of(Interpreter& interpreter, const Value& value, std::string_view name) {
  if (value.is_undefined()) throw Failure("{}", value.message());
  if (auto found = plain_attribute(value, name)) return *found;
  if (const auto found = plain_item(value, Value::text(std::string(name)), interpreter.budget())) return *found;
  require_no_python_attribute(value, name);
  return missing(value, name);
}

Value item_of(Interpreter& interpreter, const Value& value, const Value& key) {
  if (value.is_undefined()) throw Failure("{}", value.message());
  if (auto found = plain_item(value, key, interpreter.budget())) return *found;
  if (!key.is_text()) return missing_element(value, key, interpreter.budget());
  if (const auto found = plain_attribute(value, key.text())) return *found;
  require_no_python_attribute(value, key.text());
  return missing(value, key.text());
}

Value slice_of(const Value& value, const std::array<Value, 3>& bounds, Budget& budget) {
  if (value.is_undefined()) throw Failure("{}", value.message());
  if (!has_places(value)) throw Failure("'{}' object cannot be sliced", value.type());
  if (value.is_text()) {
    const std::string_view all = value.text();
    budget.text(all.size());
    const std::size_t size = count_characters(all);
    const Places places = places_of(bounds, static_cast<Integer>(size));
    if (places.step == 1) {
      const std::size_t from = byte_of_character(all, static_cast<std::size_t>(places.start));
      const std::size_t bytes = byte_of_character(all.substr(from), static_cast<std::size_t>(places.count));
      return Value::text(std::string(all.substr(from, bytes)), value.is_safe());
    }
    budget.items(size);
    const std::vector<std::string_view> characters = characters_of(all);
    std::string text;
    for (Integer i = 0; i < places.count; ++i) {
      text += characters[static_cast<std::size_t>(places.start + i * places.step)];
    }
    return Value::text(std::move(text), value.is_safe());
  }
  const List& list = value.list();
  const Places places = places_of(bounds, static_cast<Integer>(list.items.size()));
  budget.items(static_cast<std::size_t>(places.count));
  if (list.form == Value::Form::range) {
    const auto& [start, stop, step] = list.bounds;
    const Integer first = start + places.start * step;
    return Value::range(first, first + places.count * places.step * step, places.step * step);
  }
  std::vector<Value> items;
  for (Integer i = 0; i < places.count; ++i) {
    items.push_back(list.items[static_cast<std::size_t>(places.start + i * places.step)]);
  }
  return Value::list(std::move(items), list.form == Value::Form::list ? Value::Form::list : Value::Form::tuple);
}

}  // namespace gyre::jinja
