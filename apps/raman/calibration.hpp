#pragma once

#include <span>
#include <string_view>
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

/// The conformal threshold: sets of all classes of at least this probability miss the truth for no more than the share
/// 1 - `coverage` (0 … 1) of n + 1 items. Of one model that saw none of the items, this is split conformal prediction,
/// and sets of exchangeable items hold the truth with the chance `coverage`. gyre-raman hands it pooled out-of-fold
/// predictions, of several models: see kSetMethod. Throws Error for fewer items than the coverage needs.
double conformal_threshold(const Probabilities& probabilities, std::span<const int> truth, double coverage);

/// What the sets are called in results and models. Thresholds come from the out-of-fold predictions of all folds'
/// models, pooled, and are applied to another model of the same kind: cross-conformal prediction (Vovk 2015) with one
/// model asked in place of all. The proven coverage of cross-conformal sets and of CV+ is about 1 - 2α for sets made
/// for 1 - α (Barber et al. 2021, theorem 4), and it is proven for the models of all folds asked together; with the one
/// model asked here nothing is proven unless the models hardly differ (the same paper's jackknife). It is therefore
/// measured.
inline constexpr std::string_view kSetMethod = "cross-conformal";

/// The classes of at least the threshold's probability, most probable first; never empty.
std::vector<int> prediction_set(std::span<const double> probabilities, double threshold);

struct SetQuality {
  double coverage = 0;  ///< share of sets that hold the truth
  double size = 0;      ///< mean number of classes
};
SetQuality measure_sets(const Probabilities& probabilities, std::span<const int> truth, double threshold);

}  // namespace gyre::raman
