#pragma once

#include <torch/types.h>

#include <vector>

#include "model/spec.hpp"
#include "train/fused_ops.hpp"

namespace gyre {

// The operations of fused_ops.hpp written with those of LibTorch, for devices other than the CPU.

torch::Tensor plain_norm(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias, NormKind kind,
                         double eps, torch::ScalarType out);
std::vector<torch::Tensor> plain_split_heads(const torch::Tensor& qkv, const ModelSpec& spec, const Turns& turns);
torch::Tensor plain_visible_softmax(const torch::Tensor& scores, double scale, const torch::Tensor& sight);
torch::Tensor plain_silu_gated(const torch::Tensor& x);
torch::Tensor plain_gelu_tanh(const torch::Tensor& x);
torch::Tensor plain_gelu_tanh_gated(const torch::Tensor& x);

}  // namespace gyre
