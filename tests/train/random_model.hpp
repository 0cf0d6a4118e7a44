#pragma once

#include <torch/types.h>

#include "model_folder.hpp"
#include "train/torch_model.hpp"

namespace gyre {

/// The model of random_spec(seed) with the weights of random_weights(): norms, biases and small weights all matter.
inline TorchModel random_model(std::uint64_t seed) {
  const ModelSpec spec = random_spec(seed);
  validate(spec, "test");
  TorchModel model(spec, seed);
  const torch::NoGradGuard no_gradient;
  for (const auto& [name, values] : random_weights(spec, seed + 1)) {
    torch::Tensor parameter = model.parameter(name);
    parameter.copy_(torch::tensor(values, torch::kFloat).view(parameter.sizes()));
  }
  return model;
}

}  // namespace gyre
