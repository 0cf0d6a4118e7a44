#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre::llama {
namespace {

ConfigKeys keys() {
  return decoder_keys() + bias_keys() +
         ConfigKeys{{},
                    {"is_llama_config", "max_sequence_length"},
                    {{"rope_interleaved", "[false]"}, {"sliding_window", "[]"}, {"use_sliding_window", "[false]"}},
                    {}};
}

Mapping map(const nlohmann::json& config, const TensorStore& /*tensors*/, const std::string& where) {
  Mapping mapping = decoder_mapping(decoder_spec(config, where, {.context = 2048}));
  map_layer_norm(mapping, "attn.norm_in", "input_layernorm");
  map_layer_norm(mapping, "mlp.norm_in", "post_attention_layernorm");
  map_biases(mapping, biases_of(config, where));
  return mapping;
}

}  // namespace

Family family() {
  return {"llama", "Llama 2 and 3, TinyLlama, SmolLM and SmolLM2",
          [](const nlohmann::json& config) { return is_type(config, "llama"); }, keys(), map};
}

}  // namespace gyre::llama
