#include "train/weight_average.hpp"

#include <torch/utils.h>

#include <algorithm>

namespace gyre {

WeightAverage::WeightAverage(const Parameters& model, double decay) : decay_(decay) {
  for (const std::string& name : model.names()) add(name, model.parameter(name).detach().clone());
}

void WeightAverage::update(const Parameters& model, int step) {
  const torch::NoGradGuard no_gradient;
  const double decay = std::min(decay_, (1.0 + step) / (10.0 + step));
  for (const std::string& name : names()) {
    torch::Tensor average = parameter(name);
    average.lerp_(model.parameter(name), 1 - decay);
  }
}

}  // namespace gyre
