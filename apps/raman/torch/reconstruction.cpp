#include "raman/torch/reconstruction.hpp"

#include <torch/utils.h>

namespace gyre::raman {

torch::Tensor with_hidden(const torch::Tensor& input, const torch::Tensor& hidden) {
  const torch::Tensor seen = 1 - hidden;
  const torch::Tensor mean = (input * seen).sum(1, true) / seen.sum(1, true).clamp_min(1);
  return input * seen + mean * hidden;
}

torch::Tensor reconstruction_loss(const torch::Tensor& made, const torch::Tensor& input, const torch::Tensor& hidden) {
  const torch::Tensor left = ((made - input).square() * hidden).sum();
  return left / (input.square() * hidden).sum().clamp_min(1e-6);
}

}  // namespace gyre::raman
