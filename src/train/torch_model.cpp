#include "train/torch_model.hpp"

#include <torch/utils.h>

#include <algorithm>

#include "train/forward_pass.hpp"
#include "train/initial_values.hpp"

namespace gyre {

TorchModel::TorchModel(ModelSpec spec, std::uint64_t seed) : spec_(std::move(spec)) {
  torch::manual_seed(seed);
  for (const TensorInfo& info : tensor_table(spec_)) add(info.name, initial_value(info, spec_));
}

TorchModel::TorchModel(ModelSpec spec, const Model& model) : spec_(std::move(spec)) {
  for (const TensorInfo& info : tensor_table(spec_)) {
    if (info.name.ends_with(".inject.weight") && !model.source().shapes().contains(info.name)) {
      const torch::Tensor one = torch::eye(info.shape.front());
      add(info.name, torch::cat({one, torch::zeros_like(one)}, 1));
      continue;
    }
    std::vector<float> numbers = model.tensor(info.name);
    add(info.name, torch::from_blob(numbers.data(), info.shape, torch::kFloat).clone());
  }
}

torch::Tensor TorchModel::states(const torch::Tensor& tokens, const ForwardOptions& options) const {
  return ForwardPass(*this, options).states(tokens);
}

LoopStates TorchModel::states_by_loop(const torch::Tensor& tokens, const ForwardOptions& options,
                                      bool with_gates) const {
  return ForwardPass(*this, options).states_by_loop(tokens, with_gates);
}

torch::Tensor TorchModel::logits(const torch::Tensor& states, Precision precision) const {
  ForwardOptions options;
  options.precision = precision;
  return ForwardPass(*this, options).logits(states);
}

TorchAdapter adapter_beside(const TorchModel& model, const AdapterConfig& config,
                            const std::map<std::string, ModulePlace>& modules, std::uint64_t seed) {
  model.freeze();
  const std::vector<int> loops = model.spec().default_loops();
  return {config, modules, *std::max_element(loops.begin(), loops.end()), model, seed};
}

}  // namespace gyre
