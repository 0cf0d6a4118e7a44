#pragma once

#include <limits>

namespace gyre {

/// What a measure is where it has no value: of no points, of a step of length zero. Pages and tables leave it out.
inline constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

}  // namespace gyre
