#pragma once

#include <span>

namespace gyre {

/// −Σ a_j log a_j in nats of the attention weights a = softmax(scores): log n where all n scores are equal, 0 where one
/// is far above the others. NaN of no scores.
double entropy_of_scores(std::span<const double> scores);

}  // namespace gyre
