#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "study/evaluation.hpp"

namespace gyre {

/// How well a model predicts when its groups loop so many times at most, and how far it is from another model there.
struct DepthQuality {
  int loops = 0;
  std::int64_t tokens = 0;
  double cross_entropy = 0;      ///< nats/token
  double cross_entropy_low = 0;  ///< 95 % interval, bootstrap over windows
  double cross_entropy_high = 0;
  // Against the reference at the same depth; zero without one.
  double reference_cross_entropy = 0;
  double kl_to_reference = 0;  ///< KL(reference ‖ model), nats/token
  double same_choice = 0;      ///< share of positions where both find the same token likeliest
};

/// Scores the windows of a text at each depth, every window at once as a prompt is. `reference` (may be null) is the
/// same model in another type, its keys and values in F32, so that what rounding costs is seen to grow, or not, from
/// loop to loop. Throws Error when the two do not share a vocabulary and the number of groups.
std::vector<DepthQuality> evaluate_depths(const Model& model, const Model* reference,
                                          std::span<const std::int32_t> tokens, std::span<const int> depths,
                                          const EvaluationOptions& options, const ProgressSink& progress);

}  // namespace gyre
