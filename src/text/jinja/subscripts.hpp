#pragma once

#include <array>
#include <string_view>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

/// value.name: an attribute or method, else the item of that name, else undefined. Throws Failure when `value` is
/// undefined, or when Python has an attribute there that is not supported.
Value attribute_of(Interpreter& interpreter, const Value& value, std::string_view name);
/// value[key]: an item, else the attribute or method of that name, else undefined.
Value item_of(Interpreter& interpreter, const Value& value, const Value& key);
/// value[start:stop:step], where none stands for what is left out.
Value slice_of(const Value& value, const std::array<Value, 3>& bounds, Budget& budget);

}  // namespace gyre::jinja
