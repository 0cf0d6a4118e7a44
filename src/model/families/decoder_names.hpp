#pragma once

#include "model/families.hpp"

namespace gyre {

/// Whether config.json says `model_type` is `type`.
bool is_type(const nlohmann::json& config, std::string_view type);

/// What Llama-like config.json files have in common, as one group of all layers: sizes, rotation (halves), scaling of
/// frequencies, RMS norms, SiLU-gated MLP, head. Throws Error on a key that asks for something else.
ModelSpec decoder_spec(const nlohmann::json& config, const std::string& where);

/// rope_theta, also where it stands in rope_parameters; `otherwise` when it stands nowhere.
float rotary_theta(const nlohmann::json& config, float otherwise, const std::string& where);

/// Divisors of the frequencies under rope_scaling or rope_parameters: "llama3" or "linear"; empty when there are none.
/// Throws Error on other kinds, and on a rotation that is not the same for all layers and channels.
std::vector<float> rotary_divisors(const nlohmann::json& config, float theta, int head_size, const std::string& where);

/// Recipes of model.embed_tokens, model.norm and lm_head, as far as the spec has them: what stands around the layers.
Mapping ends_mapping(ModelSpec spec);

/// Those, and recipes of the names that layers of Llama-like checkpoints share: self_attn.{q,k,v,o}_proj and
/// mlp.{gate,up,down}_proj; not their norms.
Mapping decoder_mapping(ModelSpec spec);

/// Names a norm in every layer: "attn.norm_in" of gyre is `stored` of the checkpoint.
void map_layer_norm(Mapping& mapping, const std::string& gyre_name, const std::string& stored);

}  // namespace gyre
