#pragma once

#include <torch/types.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "train/row_places.hpp"
#include "train/torch_model.hpp"

namespace gyre {

/// One pass of tokens through a TorchModel. Weights are cast once and used by every loop. States are f32; what linear
/// maps read and give has the type of the pass. Groups are in forward_pass.cpp, layers in forward_layers.cpp.
class ForwardPass {
 public:
  ForwardPass(const TorchModel& model, const ForwardOptions& options);

  [[nodiscard]] torch::Tensor states(const torch::Tensor& tokens);
  /// See TorchModel::states_by_loop.
  [[nodiscard]] LoopStates states_by_loop(const torch::Tensor& tokens, bool with_gates);
  [[nodiscard]] torch::Tensor logits(const torch::Tensor& states);

 private:
  /// Where the pass is: the layers of all groups run in this context.
  struct Place {
    std::size_t group = 0;
    int loop = 0;  ///< of the group, from 0
    int run = 0;   ///< of the group's own layers, from 0
  };
  /// A layer as a group runs it.
  struct LayerKind {
    std::string name;
    bool own = true;  ///< one of the group's own, and not of its fast stack
    bool window = false;
    bool value_embedding = false;
  };

  /// W x + b by the parameters NAME.weight and, where there is one, NAME.bias: every linear map goes through here. The
  /// group and loop that ask for it are in place_.
  torch::Tensor linear(const std::string& name, const torch::Tensor& x);
  /// The same for states.
  torch::Tensor mapped(const std::string& name, const torch::Tensor& state);
  torch::Tensor norm(const std::string& name, const torch::Tensor& x, torch::ScalarType out);
  /// The parameter in the type of the pass.
  torch::Tensor weight(const std::string& name);
  /// The parameter as it is.
  [[nodiscard]] const torch::Tensor& parameter(const std::string& name) const { return model_.parameter(name); }
  [[nodiscard]] torch::Tensor dropout(const torch::Tensor& x) const;
  [[nodiscard]] const Group& group() const { return spec_.groups[place_.group]; }
  /// The name of something of the current group.
  [[nodiscard]] std::string of_group(const char* name) const;

  // Groups.
  torch::Tensor embed();
  torch::Tensor run_group(const torch::Tensor& handed);
  torch::Tensor first_state(const torch::Tensor& handed) const;
  [[nodiscard]] torch::Tensor noise(at::IntArrayRef shape) const;
  torch::Tensor leave(const torch::Tensor& state);
  torch::Tensor exit_gate(const torch::Tensor& state);
  torch::Tensor one_loop(const torch::Tensor& state, const torch::Tensor& handed);
  torch::Tensor injected(const torch::Tensor& state, const torch::Tensor& handed);
  torch::Tensor with_fast_stack(const torch::Tensor& state);
  torch::Tensor run_layers(const torch::Tensor& state);
  [[nodiscard]] torch::Tensor taken_back(int run, const torch::Tensor& x,
                                         const std::vector<torch::Tensor>& behind) const;
  torch::Tensor settled(const torch::Tensor& after, const torch::Tensor& before);

  // Layers.
  torch::Tensor layer(const LayerKind& kind, const torch::Tensor& state);
  template <typename Function>
  torch::Tensor branch(const std::string& name, const torch::Tensor& x, const Function& f);
  torch::Tensor attention(const LayerKind& kind, const torch::Tensor& h);
  std::vector<torch::Tensor> heads(const LayerKind& kind, const torch::Tensor& qkv, const torch::Tensor& h);
  torch::Tensor normed_heads(const std::string& name, const torch::Tensor& qkv);
  torch::Tensor unit(const torch::Tensor& x, const torch::Tensor& weight);
  torch::Tensor embedded_values(const std::string& name, const torch::Tensor& h);
  torch::Tensor attended(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v, int window);
  torch::Tensor blended_with_first_loop(const LayerKind& kind, const std::vector<torch::Tensor>& heads,
                                        const torch::Tensor& own);
  torch::Tensor mlp(const std::string& name, const torch::Tensor& h);

  const TorchModel& model_;
  const ModelSpec& spec_;
  const ForwardOptions& options_;
  torch::ScalarType type_;
  Place place_;
  torch::Tensor tokens_;
  std::optional<RowPlaces> places_;
  torch::Tensor embedded_;  ///< what layers mix into their states
  torch::Tensor fast_;      ///< the state of the group's fast stack
  /// Keys and values of the group's first loop, a pair for each run of its layers; only where later loops read them.
  std::vector<std::pair<torch::Tensor, torch::Tensor>> first_loop_;
  std::map<std::string, torch::Tensor> cast_;
  LoopStates* behind_loops_ = nullptr;  ///< takes what the group hands on after each loop; null: no one does
  bool with_gates_ = false;
};

}  // namespace gyre
