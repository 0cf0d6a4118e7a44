#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "raman/metrics.hpp"

namespace gyre::raman {

/// What is known about spectra that took no part in the predictions made for them: what sets are calibrated with.
struct HeldOut {
  std::vector<double> of_truth;  ///< the probability that the true country was given
  std::vector<int> familiar;     ///< 1: its nearest spectrum was near
  double accuracy = 0;           ///< share whose most probable country was the true one
};

/// The conformal threshold: sets of all classes of at least this probability miss the truth for no more than the share
/// 1 - `coverage` (0 … 1) of n + 1 items, whose truths have the probabilities `of_truth`. Of one model that saw none of
/// the items, this is split conformal prediction, and sets of exchangeable items hold the truth with the chance
/// `coverage`. gyre-raman hands it the predictions of inner folds, of several models: see kSetMethod. Throws Error for
/// fewer items than the coverage needs.
double conformal_threshold(std::span<const double> of_truth, double coverage);

/// A threshold of its own for spectra whose nearest spectrum is near and for those whose is not (Mondrian conformal
/// prediction: Vovk, Gammerman, Shafer 2005): sets for strange spectra are not too small on behalf of the others.
struct SetThresholds {
  double familiar = 0;
  double strange = 0;

  [[nodiscard]] double of(int is_familiar) const { return is_familiar != 0 ? familiar : strange; }
};
/// A group of fewer items than the coverage needs gets the threshold of all.
SetThresholds set_thresholds(const HeldOut& held_out, double coverage);

/// What the sets are called in results and models. Thresholds come from what the models of inner folds say of the
/// examples that they were not trained on, pooled, and are applied to another model of the same kind, trained on all:
/// cross-conformal prediction (Vovk 2015) with one model asked in place of all. The proven coverage of cross-conformal
/// sets and of CV+ is about 1 - 2α for sets made for 1 - α (Barber et al. 2021, theorem 4), and it is proven for the
/// models of all folds asked together; with the one model asked here nothing is proven unless the models hardly differ
/// (the same paper's jackknife). It is therefore measured, in the outer folds of gyre-raman cv.
inline constexpr std::string_view kSetMethod = "cross-conformal";

/// The classes of at least the threshold's probability, most probable first; never empty.
std::vector<int> prediction_set(std::span<const double> probabilities, double threshold);

}  // namespace gyre::raman
