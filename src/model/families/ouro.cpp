#include <nlohmann/json.hpp>

#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre {
namespace {

/// LoopLM (arXiv 2510.25741): all layers loop, model.norm ends every loop and is what the head and the gate read.
Mapping map(const nlohmann::json& config, const TensorStore& /*tensors*/, const std::string& where) {
  ModelSpec spec = decoder_spec(config, where);
  spec.norm_placement = NormPlacement::branch;
  spec.final_norm = false;
  spec.groups[0].loops = JsonObject(config, where).integer("total_ut_steps", 1, kMostLoops);
  spec.groups[0].loop_norm = true;
  spec.groups[0].exit_gate = true;
  Mapping mapping = decoder_mapping(std::move(spec));
  map_layer_norm(mapping, "attn.norm_in", "input_layernorm");
  map_layer_norm(mapping, "attn.norm_out", "input_layernorm_2");
  map_layer_norm(mapping, "mlp.norm_in", "post_attention_layernorm");
  map_layer_norm(mapping, "mlp.norm_out", "post_attention_layernorm_2");
  mapping.recipes["groups.0.loop_norm.weight"] = {{"model.norm.weight"}, {}};
  mapping.recipes["groups.0.gate.weight"] = {{"model.early_exit_gate.weight"}, {}};
  mapping.recipes["groups.0.gate.bias"] = {{"model.early_exit_gate.bias"}, {}};
  return mapping;
}

}  // namespace

Family ouro_family() {
  return {"ouro", "Ouro 1.4B and 2.6B, and Thinking",
          [](const nlohmann::json& config) { return is_type(config, "ouro"); }, map};
}

}  // namespace gyre
