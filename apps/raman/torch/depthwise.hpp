#pragma once

#include <torch/types.h>

namespace gyre::raman {

/// Depth-wise convolution along the middle dimension with zeros beyond both ends, as one pass over memory with its own
/// gradient: y[n, l, c] = bias[c] + Σ_k weight[k, c] · x[n, l + k − K/2, c].
/// x [rows, places, channels] (f32), weight [K, channels] with K odd, bias [channels].
torch::Tensor depthwise_convolution(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias);

}  // namespace gyre::raman
