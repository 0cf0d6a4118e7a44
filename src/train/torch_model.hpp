#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/model.hpp"
#include "train/config.hpp"
#include "train/parameters.hpp"
#include "train/ranks.hpp"
#include "train/torch_adapter.hpp"

namespace gyre {

/// What one forward pass depends on besides weights and tokens.
struct ForwardOptions {
  std::vector<int> loops = {};  ///< per group
  int backprop_loops = 0;       ///< gradient through the last so many loops of each group; 0: all
  Precision precision = Precision::f32;
  float dropout = 0.0F;
  /// One seed a row, for groups whose first state is noise.
  std::vector<std::uint64_t> noise_seeds = {};
  /// The document of each token, int64 [rows, positions]: attention stays inside a document, and positions begin anew
  /// with each. Undefined: a row is one document.
  torch::Tensor documents = {};
  /// Tokens at the front of their document that see one another whole (ModelSpec::prefix_lm), bool [rows, positions].
  /// Undefined: none do.
  torch::Tensor prompt = {};
  const TorchAdapter* adapter = nullptr;  ///< what is learned beside the weights; null: nothing
  bool training = false;                  ///< whether an adapter drops what it reads
  RowShare share = {};                    ///< the rows, of a batch that ranks divide: what is dropped depends on it
};

/// What a model gives behind each loop, the first loop's first.
struct LoopStates {
  std::vector<torch::Tensor> states;      ///< [rows, positions, hidden], before the final norm
  std::vector<torch::Tensor> gates = {};  ///< [rows, positions]: the exit gate's logits, if wanted
};

/// The trainable model of a ModelSpec: its parameters, in the order of tensor_table(spec), and the forward pass over
/// them. Every switch of a spec is computed as the engine computes it. The exit gates of groups are parameters that no
/// pass reads: they keep their values.
class TorchModel : public Parameters {
 public:
  /// Parameters as given by initial_value().
  TorchModel(ModelSpec spec, std::uint64_t seed);
  /// The weights of `model`, which is of that spec, but for its name; widened to f32. A linear injection that it has
  /// not got begins as [I 0]: the state as it is.
  TorchModel(ModelSpec spec, const Model& model);

  /// tokens [rows, positions] (int64) to the states before the final norm [rows, positions, hidden] (f32).
  [[nodiscard]] torch::Tensor states(const torch::Tensor& tokens, const ForwardOptions& options) const;
  /// The states that the whole model gives when the one group that loops stops after each of its loops: what a loss on
  /// every loop reads. Throws Error when there is not one looped group, or when gates are wanted and it has none.
  [[nodiscard]] LoopStates states_by_loop(const torch::Tensor& tokens, const ForwardOptions& options,
                                          bool with_gates = false) const;
  /// States [..., hidden] to logits [..., vocabulary] (f32): final norm and head.
  [[nodiscard]] torch::Tensor logits(const torch::Tensor& states, Precision precision) const;

  [[nodiscard]] const ModelSpec& spec() const { return spec_; }

 private:
  ModelSpec spec_;
};

/// An adapter of `config` beside a model whose weights are frozen by that. Throws Error naming a target that is
/// nowhere.
TorchAdapter adapter_beside(const TorchModel& model, const AdapterConfig& config,
                            const std::map<std::string, ModulePlace>& modules, std::uint64_t seed);

}  // namespace gyre
