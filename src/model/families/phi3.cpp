#include <nlohmann/json.hpp>

#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre::phi3 {
namespace {

ConfigKeys keys() {
  // Its class reads none of the biases' keys, and has no biases.
  return decoder_keys() + ConfigKeys{{"sliding_window"},
                                     {"attention_bias", "embd_pdrop", "full_attn_mod", "interpolate_factor",
                                      "lm_head_bias", "mlp_bias", "resid_pdrop"},
                                     {},
                                     {}};
}

/// Its own code knows "longrope" by its first name too.
nlohmann::json renamed(nlohmann::json config) {
  for (const char* const key : {"rope_scaling", "rope_parameters"}) {
    const auto found = config.find(key);
    if (found == config.end() || !found->is_object()) continue;
    for (const char* const name : {"type", "rope_type"}) {
      if (found->value(name, nlohmann::json()) == "su") (*found)[name] = "longrope";
    }
  }
  return config;
}

/// Queries, keys and values are one matrix, gate and up another, in gyre's own order. Positions that the training was
/// stretched from are a key beside the dictionary, 4096 where a file leaves it out.
ModelSpec spec_of(nlohmann::json config, const std::string& where) {
  constexpr int kTrained = 4096;
  if (!config.contains("original_max_position_embeddings")) config["original_max_position_embeddings"] = kTrained;
  return decoder_spec(renamed(std::move(config)), where,
                      {.norm_eps = 1e-5F, .context = kTrained, .partial = PartialRotation::done});
}

Mapping map(const nlohmann::json& config, const TensorStore& /*tensors*/, const std::string& where) {
  ModelSpec spec = spec_of(config, where);
  const JsonObject object(config, where);
  if (object.given("sliding_window")) {
    set_window(spec, object.integer("sliding_window", 0, kMostContext), where);
  }
  Mapping mapping = decoder_mapping(std::move(spec));
  for (int l = 0; l < mapping.spec.groups[0].layers; ++l) {
    const std::string gyre = fmt::format("groups.0.layers.{}.", l);
    const std::string stored = fmt::format("model.layers.{}.", l);
    mapping.recipes[gyre + "attn.qkv.weight"] = {{stored + "self_attn.qkv_proj.weight"}, {}};
    mapping.recipes[gyre + "mlp.up.weight"] = {{stored + "mlp.gate_up_proj.weight"}, {}};
  }
  map_layer_norm(mapping, "attn.norm_in", "input_layernorm");
  map_layer_norm(mapping, "mlp.norm_in", "post_attention_layernorm");
  return mapping;
}

}  // namespace

Family family() {
  return {"phi3", "Phi-3 mini and medium, Phi-4 mini",
          [](const nlohmann::json& config) { return is_type(config, "phi3"); }, keys(), map};
}

}  // namespace gyre::phi3
