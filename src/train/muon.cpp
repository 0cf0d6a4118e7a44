#include "train/muon.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>

namespace gyre {

using torch::Tensor;

namespace {

constexpr int kIterations = 5;
constexpr double kLinear = 3.4445;
constexpr double kCubic = -4.7750;
constexpr double kQuintic = 2.0315;
constexpr double kSmallest = 1e-7;   // a gradient of zeros stays one of zeros
constexpr double kUpdateSize = 0.2;  // root mean square of AdamW's updates

}  // namespace

Tensor orthogonalised(const Tensor& matrix) {
  const bool tall = matrix.size(0) > matrix.size(1);
  Tensor x = tall ? matrix.t().contiguous() : matrix;  // the products are of the shorter side
  x = x / (x.norm() + kSmallest);
  for (int i = 0; i < kIterations; ++i) {
    const Tensor square = torch::mm(x, x.t());
    const Tensor sum = torch::addmm(square, square, square, kCubic, kQuintic);
    x = torch::addmm(x, sum, x, kLinear, 1.0);
  }
  return tall ? x.t() : x;
}

void update_by_muon(const Tensor& parameter, const Tensor& gradient, Tensor& momentum, const OptimiserConfig& config,
                    double learning_rate) {
  const torch::NoGradGuard no_gradient;
  momentum.mul_(config.momentum).add_(gradient, 1.0 - config.momentum);
  const Tensor ahead = config.momentum * momentum + (1.0 - config.momentum) * gradient;
  const double size = kUpdateSize * std::sqrt(static_cast<double>(std::max(parameter.size(0), parameter.size(1))));
  Tensor weights = parameter.detach();
  weights.mul_(1.0 - learning_rate * config.weight_decay).add_(orthogonalised(ahead), -learning_rate * size);
}

}  // namespace gyre
