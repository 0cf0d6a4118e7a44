#pragma once

#include <torch/types.h>

#include "train/optimiser_config.hpp"

namespace gyre {

/// About U Vᵀ of a matrix U Σ Vᵀ: five steps X ← a X + b (X Xᵀ) X + c (X Xᵀ)² X from X = M / ‖M‖ with the coefficients
/// of Muon (Jordan 2024, kellerjordan.github.io/posts/muon), which leave the singular values between about 0.7 and 1.2.
torch::Tensor orthogonalised(const torch::Tensor& matrix);

/// One step of Muon with Nesterov momentum: M ← μ M + (1 − μ) G, W ← (1 − η λ) W − η s O with O = orthogonalised of
/// μ M + (1 − μ) G. s = 0.2 √(max(rows, columns)) gives the update the size that AdamW's has, so that both share one
/// rate and one decay (Liu et al. 2025, arXiv 2502.16982).
void update_by_muon(const torch::Tensor& parameter, const torch::Tensor& gradient, torch::Tensor& momentum,
                    const OptimiserConfig& config, double learning_rate);

}  // namespace gyre
