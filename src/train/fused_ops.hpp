#pragma once

#include <torch/types.h>

#include <vector>

#include "model/spec.hpp"

namespace gyre {

// Operations that LibTorch would run as several passes over memory, each as one pass with its own gradient. On another
// device than the CPU they are those of plain_ops.hpp.

/// Cosines and sines by which the pairs of a head turn: f32 [positions, pairs], or [rows · positions, pairs] where each
/// row has its own. Undefined: nothing turns.
struct Turns {
  torch::Tensor cosines;
  torch::Tensor sines;
};

/// Norm over the last dimension of x (f32); the result has `out` as its type. `bias` is undefined for RMSNorm.
torch::Tensor fused_norm(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias, NormKind kind,
                         double eps, torch::ScalarType out);

/// Splits qkv [rows, positions, (heads + 2 kv_heads) head_size] into q, k, v of shape
/// [rows, heads | kv_heads, positions, head_size] and turns the first channels of q and k.
std::vector<torch::Tensor> split_heads(const torch::Tensor& qkv, const ModelSpec& spec, const Turns& turns);

/// softmax(scale · scores) over the columns of scores [rows, heads, positions, positions] that a position sees, 0 for
/// the others: columns 0 … t of position t, or those from sight[…, t, 0] up to but not sight[…, t, 1], where `sight`
/// (int64 [rows or 1, positions, 2]) is defined. Every position sees a column.
torch::Tensor visible_softmax(const torch::Tensor& scores, double scale, const torch::Tensor& sight = {});

/// silu(a) · b for x = [a | b] along the last dimension.
torch::Tensor silu_gated(const torch::Tensor& x);

/// x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2: arXiv 1606.08415, section 2.
torch::Tensor gelu_tanh(const torch::Tensor& x);

/// gelu_tanh(a) · b for x = [a | b] along the last dimension.
torch::Tensor gelu_tanh_gated(const torch::Tensor& x);

}  // namespace gyre
