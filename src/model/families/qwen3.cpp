#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre {
namespace {

Mapping map(const nlohmann::json& config, const TensorStore& /*tensors*/, const std::string& where) {
  ModelSpec spec = decoder_spec(config, where);
  spec.qk_norm = QkNorm::head;
  Mapping mapping = decoder_mapping(std::move(spec));
  map_layer_norm(mapping, "attn.norm_in", "input_layernorm");
  map_layer_norm(mapping, "attn.q_norm", "self_attn.q_norm");
  map_layer_norm(mapping, "attn.k_norm", "self_attn.k_norm");
  map_layer_norm(mapping, "mlp.norm_in", "post_attention_layernorm");
  return mapping;
}

}  // namespace

Family qwen3_family() {
  return {"qwen3", "Qwen3, dense", [](const nlohmann::json& config) { return is_type(config, "qwen3"); }, map};
}

}  // namespace gyre
