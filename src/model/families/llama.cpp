#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre {
namespace {

Mapping map(const nlohmann::json& config, const TensorStore& /*tensors*/, const std::string& where) {
  Mapping mapping = decoder_mapping(decoder_spec(config, where));
  map_layer_norm(mapping, "attn.norm_in", "input_layernorm");
  map_layer_norm(mapping, "mlp.norm_in", "post_attention_layernorm");
  return mapping;
}

}  // namespace

Family llama_family() {
  return {"llama", "Llama 2 and 3, TinyLlama, SmolLM and SmolLM2",
          [](const nlohmann::json& config) { return is_type(config, "llama"); }, map};
}

}  // namespace gyre
