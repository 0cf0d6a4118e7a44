#pragma once

#include <torch/types.h>

namespace gyre::raman {

/// How much of the hidden points' squares a reconstruction leaves unexplained: 0 for all that was hidden, 1 for zeros.
/// Points that are in sight count for nothing. All [rows, points]; `hidden` is 1 where a point is hidden, and else 0.
torch::Tensor reconstruction_loss(const torch::Tensor& made, const torch::Tensor& input, const torch::Tensor& hidden);

}  // namespace gyre::raman
