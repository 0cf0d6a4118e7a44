#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "study/evaluation.hpp"

namespace gyre {

/// How well a model predicts when its groups loop so many times at most, and how far it is from another model there:
/// the score's KL is KL(reference ‖ model), and zero without a reference, as all that speaks of one.
struct DepthQuality {
  int loops = 0;
  TextScore score;
};

/// Scores the windows of a text at each depth, every window at once as a prompt is. `reference` (may be null) is the
/// same model in another type, its keys and values in F32, so that what rounding costs is seen to grow, or not, from
/// loop to loop. Throws Error when the two do not share a vocabulary and the number of groups.
std::vector<DepthQuality> evaluate_depths(const Model& model, const Model* reference, const MeasuredText& text,
                                          std::span<const int> depths, const EvaluationOptions& options,
                                          const ProgressSink& progress);

}  // namespace gyre
