#pragma once

#include <span>
#include <vector>

#include "raman/metrics.hpp"

namespace gyre::raman {

/// How logits become probabilities: softmax(logits / temperature + prior_weight · log(prior)). A model that was fitted
/// to few specimens says too much of them; the prior draws it back to how often each country occurs.
struct Calibration {
  double temperature = 1;
  double prior_weight = 0;
  std::vector<double> log_prior;  ///< one a class

  [[nodiscard]] Probabilities apply(std::span<const float> logits) const;
};

/// The temperature (Guo et al. 2017) and the weight of the prior that give the least log loss on logits of items that
/// the model was not trained on. `prior` has one share a class.
Calibration calibrate(std::span<const float> logits, std::span<const int> truth, std::span<const double> prior);

/// The threshold of split conformal prediction: sets of all classes of at least this probability hold the truth with
/// the chance `coverage` (0 … 1) for items exchangeable with those given. Throws Error for fewer items than the
/// coverage needs.
double conformal_threshold(const Probabilities& probabilities, std::span<const int> truth, double coverage);

/// The classes of at least the threshold's probability, most probable first; never empty.
std::vector<int> prediction_set(std::span<const double> probabilities, double threshold);

struct SetQuality {
  double coverage = 0;  ///< share of sets that hold the truth
  double size = 0;      ///< mean number of classes
};
SetQuality measure_sets(const Probabilities& probabilities, std::span<const int> truth, double threshold);

}  // namespace gyre::raman
