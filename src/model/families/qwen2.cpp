#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre::qwen2 {
namespace {

ConfigKeys keys() {
  // Biases are where they are whatever attention_bias says.
  return decoder_keys() + window_keys() +
         ConfigKeys{{}, {"attention_bias"}, {{"mlp_bias", "[false]"}, {"use_mrope", "[false]"}}, {}};
}

Mapping map(const nlohmann::json& config, const TensorStore& /*tensors*/, const std::string& where) {
  ModelSpec spec = decoder_spec(config, where, {.context = 32768, .windows = true});
  read_qwen_windows(config, spec, where);
  Mapping mapping = decoder_mapping(std::move(spec));
  map_layer_norm(mapping, "attn.norm_in", "input_layernorm");
  map_layer_norm(mapping, "mlp.norm_in", "post_attention_layernorm");
  map_biases(mapping, {.qkv = true});
  return mapping;
}

}  // namespace

Family family() {
  return {"qwen2", "Qwen2 and Qwen2.5", [](const nlohmann::json& config) { return is_type(config, "qwen2"); }, keys(),
          map};
}

}  // namespace gyre::qwen2
