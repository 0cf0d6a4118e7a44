#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

namespace gyre::raman {

/// Random changes of a training input that leave its label true. Zero switches one off.
struct Augmentation {
  double shift = 1.5;       ///< 1/cm, standard deviation: calibration of the spectrometer
  double stretch = 0.0015;  ///< relative, standard deviation about the middle of the grid
  double noise = 0.01;      ///< of the largest value, standard deviation a point
  double baseline = 0.03;   ///< of the largest value, standard deviation of a smooth curve that is added
  double intensity = 0.2;   ///< standard deviation of the logarithm of a smooth factor: orientation, laser, detector
  double mixup = 0.2;       ///< α of the beta distribution that mixes two inputs and their targets (Zhang et al. 2018)
  double share = 0.9;       ///< of the inputs that are changed at all

  bool operator==(const Augmentation&) const = default;
};

Augmentation parse_augmentation(const nlohmann::json& json, const std::string& where);
nlohmann::json to_json(const Augmentation& config);

/// Changes one preprocessed input in place, mixup excepted. A function of the arguments alone. `step` is the distance
/// of grid points in 1/cm.
void augment(std::span<float> input, double step, const Augmentation& config, std::uint64_t seed);

/// The share of the first of two inputs, of Beta(α, α); 1 for α = 0.
double mixup_share(double alpha, std::uint64_t seed);

}  // namespace gyre::raman
