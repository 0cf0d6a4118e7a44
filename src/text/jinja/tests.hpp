#pragma once

#include <string>
#include <string_view>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

/// input is test(arguments). Throws Failure where Jinja does.
using Test = bool (*)(Interpreter& interpreter, const Value& input, const Arguments& arguments);

/// The test of a name; nullptr when there is none.
Test find_test(std::string_view name);
/// The message that a test is not known.
std::string unknown_test(std::string_view name);

}  // namespace gyre::jinja
