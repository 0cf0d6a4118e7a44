#pragma once

#include <string>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

/// format % values, as Python's printf: `values` is a tuple, a mapping for %(name)s, or one value.
Value percent_format(const Value& format, const Value& values, Budget& budget);

}  // namespace gyre::jinja
