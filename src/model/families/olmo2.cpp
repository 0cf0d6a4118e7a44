#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre::olmo2 {
namespace {

ConfigKeys keys() {
  return decoder_keys() +
         ConfigKeys{
             {"attention_bias"}, {}, {{"clip_qkv", "[]"}, {"mlp_bias", "[false]"}, {"sliding_window", "[]"}}, {}};
}

/// Norms stand behind each branch, none before it.
Mapping map(const nlohmann::json& config, const TensorStore& /*tensors*/, const std::string& where) {
  ModelSpec spec = decoder_spec(config, where, {.norm_eps = 1e-5F, .context = 2048});
  spec.norm_placement = NormPlacement::post_branch;
  spec.qk_norm = QkNorm::full;
  Mapping mapping = decoder_mapping(std::move(spec));
  map_layer_norm(mapping, "attn.q_norm", "self_attn.q_norm");
  map_layer_norm(mapping, "attn.k_norm", "self_attn.k_norm");
  map_layer_norm(mapping, "attn.norm_out", "post_attention_layernorm");
  map_layer_norm(mapping, "mlp.norm_out", "post_feedforward_layernorm");
  map_biases(mapping, biases_of(config, where));
  return mapping;
}

}  // namespace

Family family() {
  return {"olmo2", "OLMo 2", [](const nlohmann::json& config) { return is_type(config, "olmo2"); }, keys(), map};
}

}  // namespace gyre::olmo2
