#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "train/optimiser_config.hpp"
#include "train/parameters.hpp"

namespace gyre {

/// The numbers of one update of a tensor by AdamW.
struct AdamRule {
  float rate;          ///< learning rate with both bias corrections folded in
  float second_scale;  ///< 1 / sqrt(1 - beta2^step)
  float decay;         ///< factor on the parameter
  float gradient_scale;
  float beta1;
  float beta2;
  float epsilon;
};

/// The update written with LibTorch's operations, for devices other than the CPU: AdamW's one pass has it as its twin.
void plain_adam_update(const AdamRule& rule, const torch::Tensor& parameter, const torch::Tensor& gradient,
                       torch::Tensor& first, torch::Tensor& second);

/// AdamW with decoupled decay (Loshchilov and Hutter 2019) on matrices; vectors (norms, biases) do not decay.
/// One pass over memory a parameter on the CPU. What it keeps stands on the parameters' device. Where the config asks
/// for Muon, the matrices of groups are updated by it instead (train/muon.hpp), at the same rate and with the same
/// decay.
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
