#pragma once

#include <torch/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/spec.hpp"
#include "train/config.hpp"
#include "train/parameters.hpp"

namespace gyre {

/// What one forward pass depends on besides weights and tokens.
struct ForwardOptions {
  std::vector<int> loops;  ///< per group
  int backprop_loops = 0;  ///< gradient through the last so many loops of each group; 0: all
  Precision precision = Precision::f32;
  float dropout = 0.0F;
  /// One seed a row, for groups whose first state is noise.
  std::vector<std::uint64_t> noise_seeds;
};

/// The trainable model of a ModelSpec: its parameters, in the order of tensor_table(spec), and the forward pass over
/// them.
class TorchModel : public Parameters {
 public:
  /// Parameters as given by `initialise` below.
  TorchModel(ModelSpec spec, std::uint64_t seed);

  /// tokens [rows, positions] (int64) to the states before the final norm [rows, positions, hidden] (f32).
  [[nodiscard]] torch::Tensor states(const torch::Tensor& tokens, const ForwardOptions& options) const;
  /// States to logits [rows, positions, vocabulary] (f32): final norm and head.
  [[nodiscard]] torch::Tensor logits(const torch::Tensor& states, Precision precision) const;

  [[nodiscard]] const ModelSpec& spec() const { return spec_; }

 private:
  friend class ForwardPass;

  ModelSpec spec_;
};

}  // namespace gyre
