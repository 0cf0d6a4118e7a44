#pragma once

#include <string>

namespace gyre {

/// Throws Error when `value`, which is called `what` (as in "the loss"), is not finite: the run cannot go on at `step`.
/// A file that is compiled for fast arithmetic must ask here, since its own compiler takes every number for finite.
void require_finite(double value, const std::string& what, int step);

}  // namespace gyre
