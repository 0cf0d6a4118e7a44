#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

/// self.method(arguments). Throws Failure where Python raises.
using Method = Value (*)(Interpreter& interpreter, const Value& self, const Arguments& arguments);
using MethodRow = std::pair<std::string_view, Method>;

/// The method of that name, bound to `self`, or nothing.
std::optional<Value> method_of(const Value& self, std::string_view name);
/// Whether a method would change a list or dict, which templates may not.
bool is_forbidden_method(const Value& self, std::string_view name);
/// Throws Failure when Python has an attribute of that name here, which is not supported.
void require_no_python_attribute(const Value& self, std::string_view name);

// The tables they stand in, one a file.
std::span<const MethodRow> text_search_methods();
std::span<const MethodRow> text_form_methods();
std::span<const MethodRow> list_methods();
std::span<const MethodRow> dict_methods();

}  // namespace gyre::jinja
