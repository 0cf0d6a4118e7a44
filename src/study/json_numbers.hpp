#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "study/statistics.hpp"

namespace gyre {

/// Five digits, which make files small; nothing that a study measures is known to more. Null when not finite.
nlohmann::json rounded(double value);
nlohmann::json rounded_all(const std::vector<double>& values);

/// The values that are defined.
std::vector<double> defined(std::vector<double> values);

/// Of the values that are defined; null when none is.
nlohmann::json spread_json(const std::vector<double>& values);
nlohmann::json mean_json(const std::vector<double>& values);

/// Median, with its interval over the units that the values stand in, and the 10th and 90th percentile over all of
/// them; null when none is defined.
nlohmann::json median_json(std::vector<std::vector<double>> by_unit);

}  // namespace gyre
