#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "train/optimiser_config.hpp"
#include "train/parameters.hpp"

namespace gyre {

/// AdamW with decoupled decay (Loshchilov and Hutter 2019) on matrices; vectors (norms, biases) do not decay.
/// One pass over memory a parameter. Where the config asks for Muon, the matrices of groups are updated by it instead
/// (train/muon.hpp), at the same rate and with the same decay.
class AdamW {
 public:
  struct Slot {
    std::string name;
    torch::Tensor first;   ///< running mean of the gradient
    torch::Tensor second;  ///< running mean of its square; undefined where Muon updates, which keeps none
  };

  AdamW(const Parameters& model, const OptimiserConfig& config);

  /// Scales all gradients down to a global norm of at most config.clip, updates every parameter, and clears the
  /// gradients. Returns the norm before scaling. `step` counts from 1. Throws Error, before anything has changed, when
  /// a gradient is not finite.
  double update(const Parameters& model, double learning_rate, int step);

  /// In the order of the model's names; a checkpoint restores them.
  [[nodiscard]] std::vector<Slot>& slots() { return slots_; }
  /// All tensors of the slots.
  [[nodiscard]] std::vector<torch::Tensor> state() const;

 private:
  OptimiserConfig config_;
  std::vector<Slot> slots_;
};

}  // namespace gyre
