#pragma once

#include "text/jinja/ast.hpp"

namespace gyre::jinja {

// Python's operators. Each throws Failure where Python raises.

Value arithmetic(Operation operation, const Value& left, const Value& right, Budget& budget);
bool compare(Comparison comparison, const Value& left, const Value& right, Budget& budget);
Value negative(const Value& value);
Value positive(const Value& value);

}  // namespace gyre::jinja
