#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre::qwen3 {
namespace {

ConfigKeys keys() {
  return decoder_keys() + window_keys() +
         ConfigKeys{{"attention_bias"}, {}, {{"mlp_bias", "[false]"}, {"use_mrope", "[false]"}}, {}};
}

Mapping map(const nlohmann::json& config, const TensorStore& /*tensors*/, const std::string& where) {
  ModelSpec spec = decoder_spec(config, where, {.head_size = 128, .context = 32768, .windows = true});
  read_qwen_windows(config, spec, where);
  spec.qk_norm = QkNorm::head;
  Mapping mapping = decoder_mapping(std::move(spec));
  map_layer_norm(mapping, "attn.norm_in", "input_layernorm");
  map_layer_norm(mapping, "attn.q_norm", "self_attn.q_norm");
  map_layer_norm(mapping, "attn.k_norm", "self_attn.k_norm");
  map_layer_norm(mapping, "mlp.norm_in", "post_attention_layernorm");
  map_biases(mapping, biases_of(config, where));
  return mapping;
}

}  // namespace

Family family() {
  return {"qwen3", "Qwen3, dense", [](const nlohmann::json& config) { return is_type(config, "qwen3"); }, keys(), map};
}

}  // namespace gyre::qwen3
