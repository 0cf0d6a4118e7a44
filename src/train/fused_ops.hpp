#pragma once

#include <torch/types.h>

#include <vector>

#include "model/spec.hpp"

namespace gyre {

// Operations that LibTorch would run as several passes over memory, each as one pass with its own gradient.

/// Norm over the last dimension of x (f32); the result has `out` as its type. `bias` is undefined for RMSNorm.
torch::Tensor fused_norm(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias, NormKind kind,
                         double eps, torch::ScalarType out);

/// Splits qkv [rows, positions, (heads + 2 kv_heads) head_size] into q, k, v of shape
/// [rows, heads | kv_heads, positions, head_size] and turns q and k, or the channels of them that turn, by their
/// positions (none for learned positions).
std::vector<torch::Tensor> split_heads(const torch::Tensor& qkv, const ModelSpec& spec);

/// softmax(scale · scores) over the last dimension of scores [..., T, T], where row t sees columns 0 … t.
torch::Tensor causal_softmax(const torch::Tensor& scores, double scale);

/// silu(a) · b for x = [a | b] along the last dimension.
torch::Tensor silu_gated(const torch::Tensor& x);

}  // namespace gyre
