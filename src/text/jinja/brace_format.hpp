#pragma once

#include <string>
#include <string_view>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

/// format.format(arguments): fields {}, {0}, {name}, with .attribute, [item], !s, !r and a specification behind a
/// colon.
std::string brace_format(Interpreter& interpreter, std::string_view format, const Arguments& arguments);

}  // namespace gyre::jinja
