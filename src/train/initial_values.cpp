#include "train/initial_values.hpp"

#include <torch/utils.h>

#include <cmath>

namespace gyre {
namespace {

using torch::Tensor;

constexpr double kInitialStd = 0.02;
constexpr double kInitialGain = 5.0;

/// Vectors: a mix starts as the state alone, a skip and a decay as the mean of both states, a fast state as nothing.
Tensor initial_vector(const TensorInfo& info) {
  const auto is = [&](const char* end) { return info.name.ends_with(end); };
  if (is(".gate") || is(".bias") || is(".mix.embedding") || is(".fast.first_state")) return torch::zeros(info.shape);
  if (is(".query_gain")) return torch::full(info.shape, kInitialGain);
  if (is(".inject.decay")) return torch::full(info.shape, 0.5);
  return torch::ones(info.shape);
}

/// Applications of layers in the default depth, those of fast stacks included.
int applications_of(const ModelSpec& spec) {
  int applications = 0;
  for (const Group& group : spec.groups) applications += group.passes() * group.loops;
  return applications;
}

}  // namespace

Tensor initial_value(const TensorInfo& info, const ModelSpec& spec) {
  if (info.shape.size() == 1) return initial_vector(info);
  const auto is = [&](const char* end) { return info.name.ends_with(end); };
  double std = kInitialStd;
  if (is(".out.weight") || is(".down.weight")) std /= std::sqrt(2.0 * applications_of(spec));
  const Tensor value = torch::randn(info.shape) * std;
  const auto identity = [&] { return torch::eye(spec.hidden_size); };
  if (is(".inject.weight")) {
    // Starts as the mean of state and input, a map that neither grows nor forgets either. With a decay the other half
    // is the decay's.
    const Tensor half = 0.5 * identity();
    return value + (info.shape[1] == spec.hidden_size ? half : torch::cat({half, half}, 1));
  }
  if (is(".exit.weight")) return value + identity();
  return value;
}

}  // namespace gyre
