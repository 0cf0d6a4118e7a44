#pragma once

#include <nlohmann/json_fwd.hpp>

#include "study/statistics.hpp"

namespace gyre {

/// A number with its interval and its units.
nlohmann::json estimate_json(const Estimate& estimate);
/// And on which side of 0 it lies: below, above, unclear.
nlohmann::json difference_json(const Estimate& difference);

}  // namespace gyre
