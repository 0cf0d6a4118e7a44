#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/adapter.hpp"
#include "train/parameters.hpp"
#include "train/ranks.hpp"
#include "train/torch_adapter_config.hpp"

namespace gyre {

/// The trainable parts of an Adapter over a TorchModel: MODULE.lora_A, MODULE.lora_B and, of DoRA,
/// MODULE.lora_magnitude_vector, with ".loops.K" behind MODULE where each loop has a set.
class TorchAdapter : public Parameters {
 public:
  /// As PEFT begins: A uniform within ± 1 / √in, B zero, magnitudes the lengths of the rows of `weights`. `loops` is of
  /// config.per_loop. Throws Error naming a target that is nowhere.
  TorchAdapter(const AdapterConfig& config, const std::map<std::string, ModulePlace>& modules, int loops,
               const Parameters& weights, std::uint64_t seed);

  /// What the linear map NAME gives in a loop: `y`, its product with x, bias included, and what the adapter adds. With
  /// dropout x is dropped on the adapter's way alone.
  [[nodiscard]] torch::Tensor adapted(const std::string& name, int loop, const torch::Tensor& x, const torch::Tensor& y,
                                      const torch::Tensor& weight, const torch::Tensor& bias, bool training,
                                      const RowShare& share = {}) const;

  /// Its numbers, for files and for the engine.
  [[nodiscard]] Adapter values() const;
  /// Takes numbers of an adapter of the same shape. Throws Error, naming the module, otherwise.
  void set_values(const Adapter& adapter, const std::string& where);

 private:
  struct Part {
    std::string module;
    RowRange rows;
  };
  [[nodiscard]] std::string key(const std::string& module, int loop) const;

  AdapterConfig config_;
  int loops_ = 0;                                   ///< sets of every module; 0: one for all
  std::map<std::string, std::vector<Part>> parts_;  ///< by the linear map, in the order of its rows
  std::vector<std::string> modules_;
};

}  // namespace gyre
