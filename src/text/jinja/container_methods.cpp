#include <algorithm>
#include <array>

#include "text/jinja/compare.hpp"
#include "text/jinja/interpreter.hpp"
#include "text/jinja/methods.hpp"
#include "text/jinja/parameters.hpp"

namespace gyre::jinja {
namespace {

Value list_count(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters given("count", arguments, {"value"}, 1);
  Integer count = 0;
  for (const Value& item : self.list().items) count += equal(item, given[0], interpreter.budget()) ? 1 : 0;
  return Value::integer(count);
}

Value list_index(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters given("index", arguments, {"value", "start", "stop"}, 1);
  const auto size = static_cast<Integer>(self.list().items.size());
  const auto place = [&](Integer at) { return std::clamp(at < 0 ? at + size : at, Integer{0}, size); };
  const Integer stop = place(given.whole(2, size));
  for (Integer i = place(given.whole(1, 0)); i < stop; ++i) {
    if (equal(self.list().items[static_cast<std::size_t>(i)], given[0], interpreter.budget())) return Value::integer(i);
  }
  throw Failure("index(): the value is not in the {}", self.type());
}

Value view(const Value& self, Value::Form form) {
  std::vector<Value> items;
  for (const auto& [key, value] : self.dict().entries()) {
    if (form == Value::Form::items) {
      items.push_back(Value::list({key, value}, Value::Form::tuple));
    } else {
      items.push_back(form == Value::Form::keys ? key : value);
    }
  }
  return Value::list(std::move(items), form);
}

Value dict_items(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters given("items", arguments, {});
  interpreter.budget().step(self.dict().size());
  return view(self, Value::Form::items);
}

Value dict_keys(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters given("keys", arguments, {});
  interpreter.budget().step(self.dict().size());
  return view(self, Value::Form::keys);
}

Value dict_values(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Parameters given("values", arguments, {});
  interpreter.budget().step(self.dict().size());
  return view(self, Value::Form::values);
}

Value dict_get(Interpreter& /*interpreter*/, const Value& self, const Arguments& arguments) {
  const Parameters given("get", arguments, {"key", "default"}, 1);
  const Value* found = self.dict().find(given[0]);
  return found == nullptr ? given[1] : *found;
}

Value dict_copy(Interpreter& /*interpreter*/, const Value& self, const Arguments& arguments) {
  const Parameters given("copy", arguments, {});
  return self;  // nothing can change either of the two
}

}  // namespace

std::span<const MethodRow> list_methods() {
  static constexpr std::array<MethodRow, 2> kRows = {{{"count", list_count}, {"index", list_index}}};
  return kRows;
}

std::span<const MethodRow> dict_methods() {
  static constexpr std::array<MethodRow, 5> kRows = {
      {{"items", dict_items}, {"keys", dict_keys}, {"values", dict_values}, {"get", dict_get}, {"copy", dict_copy}}};
  return kRows;
}

}  // namespace gyre::jinja
