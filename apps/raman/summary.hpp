#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "raman/cross_validation.hpp"

namespace gyre::raman {

/// The out-of-fold logits of all folds as if they were one: what a calibration and a threshold are fitted on.
struct OutOfFold {
  std::vector<float> logits;  ///< [examples, classes]
  std::vector<int> truth;
  std::vector<std::size_t> examples;  ///< of the data set
};
/// Pools all folds but `left_out`; -1 pools all.
OutOfFold pool_folds(const Dataset& data, std::span<const FoldResult> folds, int left_out = -1);

/// The share of each class among these.
std::vector<double> shares_of(const Dataset& data, std::span<const int> truth);

/// All that is said of one protocol: measures of the model and the baselines with intervals over folds, their paired
/// differences, cross-conformal sets, countries, confusion, reliability, wavenumbers. The calibration and the threshold
/// of a fold come from the other folds' out-of-fold predictions, so that no test spectrum takes part in its own
/// calibration.
nlohmann::json summarise_protocol(const Dataset& data, Protocol protocol, std::span<const FoldResult> folds,
                                  double coverage);

/// The data set: counts, countries with their places on the map, grid.
nlohmann::json describe_data(const Dataset& data, const Gazetteer& gazetteer, const Preprocessing& config);

}  // namespace gyre::raman
