#include <nlohmann/json.hpp>

#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre::mistral {
namespace {

ConfigKeys keys() {
  return decoder_keys() +
         ConfigKeys{{"sliding_window"}, {}, {{"attention_bias", "[false]"}, {"mlp_bias", "[false]"}}, {}};
}

/// Every layer sees a window: 4096 positions where the key is left out, all where it is null.
Mapping map(const nlohmann::json& config, const TensorStore& /*tensors*/, const std::string& where) {
  constexpr int kWindow = 4096;
  ModelSpec spec = decoder_spec(config, where, {.head_size = 0, .context = 131072});
  const JsonObject object(config, where);
  if (object.given("sliding_window") || !object.has("sliding_window")) {
    const int window = object.given("sliding_window") ? object.integer("sliding_window", 0, kMostContext) : kWindow;
    set_window(spec, window, where);
  }
  Mapping mapping = decoder_mapping(std::move(spec));
  map_layer_norm(mapping, "attn.norm_in", "input_layernorm");
  map_layer_norm(mapping, "mlp.norm_in", "post_attention_layernorm");
  return mapping;
}

}  // namespace

Family family() {
  return {"mistral", "Mistral 7B and Nemo", [](const nlohmann::json& config) { return is_type(config, "mistral"); },
          keys(), map};
}

}  // namespace gyre::mistral
