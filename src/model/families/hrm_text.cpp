#include <algorithm>
#include <nlohmann/json.hpp>

#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre::hrm_text {
namespace {

ConfigKeys keys() {
  return decoder_keys() + ConfigKeys{{"H_cycles", "L_cycles", "embedding_scale", "initializer_range",
                                      "num_layers_per_stack", "prefix_lm"},
                                     {"L_bp_cycles"},
                                     {{"attention_bias", "[false]"},
                                      {"mlp_bias", "[false]"},
                                      {"sliding_window", "[]"},
                                      {"use_sliding_window", "[false]"}},
                                     {}};
}

/// Two stacks of as many layers: H loops, L is its fast stack, and both end in a norm (arXiv 2506.21734; transformers'
/// hrm_text). Norms have no weights.
ModelSpec spec_of(const nlohmann::json& config, const std::string& where) {
  const JsonObject object(config, where);
  ModelSpec spec = decoder_spec(config, where);
  spec.norm_weights = false;
  spec.final_norm = false;
  spec.attention_gate = true;
  spec.prefix_lm = object.boolean("prefix_lm", true);
  spec.embedding_scale = object.given("embedding_scale") ? object.number("embedding_scale", -1e6, 1e6)
                                                         : 1.0F / object.number("initializer_range", 1e-6, 1e6);
  Group& group = spec.groups[0];
  // Where the number of a stack's layers stands by itself, num_hidden_layers counts the passes of all cycles.
  if (object.given("num_layers_per_stack")) group.layers = object.integer("num_layers_per_stack", 1, kMostLoops);
  group.loops = object.integer("H_cycles", 1, kMostLoops);
  group.loop_norm = true;
  group.fast = {group.layers, object.integer("L_cycles", 1, kMostLoops)};
  return spec;
}

/// Rows gate | q | k | v become q | k | v | gate.
Arrangement gate_last(const ModelSpec& spec) {
  // In this order, since nobody has looked at the sizes yet.
  const std::size_t gate = static_cast<std::size_t>(spec.heads) * static_cast<std::size_t>(spec.head_size) *
                           static_cast<std::size_t>(spec.hidden_size);
  return [gate](Recipe::Parts parts, std::span<float> out) {
    if (parts[0].size() != out.size() || gate > out.size()) return false;
    std::rotate_copy(parts[0].data(), parts[0].data() + gate, parts[0].data() + out.size(), out.data());
    return true;
  };
}

/// The published file fuses its matrices; transformers writes them one by one.
void map_layer(Mapping& mapping, const std::string& gyre, const std::string& stored, bool fused) {
  auto& recipes = mapping.recipes;
  const std::string attention = stored + (fused ? "attn." : "self_attn.");
  if (fused) {
    recipes[gyre + "attn.qkv.weight"] = {{attention + "gqkv_proj.weight"}, gate_last(mapping.spec)};
    recipes[gyre + "mlp.up.weight"] = {{stored + "mlp.gate_up_proj.weight"}, {}};
  } else {
    recipes[gyre + "attn.qkv.weight"] = {{attention + "q_proj.weight", attention + "k_proj.weight",
                                          attention + "v_proj.weight", attention + "gate_proj.weight"},
                                         {}};
    recipes[gyre + "mlp.up.weight"] = {{stored + "mlp.gate_proj.weight", stored + "mlp.up_proj.weight"}, {}};
  }
  recipes[gyre + "attn.out.weight"] = {{attention + "o_proj.weight"}, {}};
  recipes[gyre + "mlp.down.weight"] = {{stored + "mlp.down_proj.weight"}, {}};
}

Mapping map(const nlohmann::json& config, const TensorStore& tensors, const std::string& where) {
  Mapping mapping = ends_mapping(spec_of(config, where));
  mapping.recipes["groups.0.fast.first_state"] = {{"model.z_L_init"}, {}};
  const bool fused = tensors.has("model.H_module.layers.0.attn.gqkv_proj.weight");
  for (int l = 0; l < mapping.spec.groups[0].layers; ++l) {
    map_layer(mapping, fmt::format("groups.0.layers.{}.", l), fmt::format("model.H_module.layers.{}.", l), fused);
    map_layer(mapping, fmt::format("groups.0.fast.layers.{}.", l), fmt::format("model.L_module.layers.{}.", l), fused);
  }
  return mapping;
}

}  // namespace

Family family() {
  return {"hrm_text", "HRM-Text 1B", [](const nlohmann::json& config) { return is_type(config, "hrm_text"); }, keys(),
          map};
}

}  // namespace gyre::hrm_text
