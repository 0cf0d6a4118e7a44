#include "raman/torch/reconstruction.hpp"

#include <torch/utils.h>

namespace gyre::raman {

torch::Tensor reconstruction_loss(const torch::Tensor& made, const torch::Tensor& input, const torch::Tensor& hidden) {
  const torch::Tensor left = ((made - input).square() * hidden).sum();
  return left / (input.square() * hidden).sum().clamp_min(1e-6);
}

}  // namespace gyre::raman
