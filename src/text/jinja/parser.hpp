#pragma once

#include <string_view>

#include "text/jinja/ast.hpp"

namespace gyre::jinja {

/// Reads a template. Throws SourceFailure with the line: on what Jinja refuses, on tags, filters and tests that are not
/// supported (by name), and on what is nested too deep.
Body parse(std::string_view source);

}  // namespace gyre::jinja
