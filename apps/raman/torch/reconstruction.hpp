#pragma once

#include <torch/types.h>

namespace gyre::raman {

/// `input` with the mean of a row's points in sight where a point is hidden. Zeros there would leave whole patches
/// empty, which norms cannot take a gradient through. As below.
torch::Tensor with_hidden(const torch::Tensor& input, const torch::Tensor& hidden);

/// How much of the hidden points' squares a reconstruction leaves unexplained: 0 for all that was hidden, 1 for zeros.
/// Points that are in sight count for nothing. All [rows, points]; `hidden` is 1 where a point is hidden, and else 0.
torch::Tensor reconstruction_loss(const torch::Tensor& made, const torch::Tensor& input, const torch::Tensor& hidden);

}  // namespace gyre::raman
