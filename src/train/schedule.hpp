#pragma once

#include "base/random.hpp"
#include "train/config.hpp"

namespace gyre {

/// Loops of every group for a training step. Poisson-lognormal, as Geiping et al. 2025 (arXiv 2502.05171) sample
/// recurrences: 1 + Poisson(exp(n)), n normal, with its mean at the group's default count. A group that is not looped
/// stays at one. Up to the share config.loops_from of the steps every group loops once; over the
/// share config.loops_over behind that, counts rise to what they are.
std::vector<int> sample_loops(const ModelSpec& spec, const TrainConfig& config, int step);

}  // namespace gyre
