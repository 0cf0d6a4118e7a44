#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "raman/cross_validation.hpp"

namespace gyre::raman {

/// All that is said of one protocol: measures of the model (one of methods(), by name), of the other methods and of the
/// baselines with intervals over folds, their paired differences, cross-conformal sets, countries, confusion,
/// reliability, wavenumbers. Calibration and thresholds of a fold come from its training side alone. `folds_count` is
/// the number of folds of the partition; `folds` may be of several partitions.
nlohmann::json summarise_protocol(const Dataset& data, Protocol protocol, std::span<const FoldResult> folds,
                                  int folds_count, const std::string& model, double coverage);

/// What the baselines alone reach, with intervals over folds and their paired differences to the majority country.
nlohmann::json summarise_baselines(const Dataset& data, Protocol protocol, std::span<const FoldResult> folds,
                                   int folds_count);

/// The data set: counts, countries with their places on the map, grid.
nlohmann::json describe_data(const Dataset& data, const Gazetteer& gazetteer, const Preprocessing& config);

}  // namespace gyre::raman
