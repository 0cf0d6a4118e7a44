#pragma once

#include "model/families.hpp"

namespace gyre {

/// Whether config.json says `model_type` is `type`.
bool is_type(const nlohmann::json& config, std::string_view type);

/// The keys that decoder_spec() reads.
const ConfigKeys& decoder_keys();
/// `attention_bias` and `mlp_bias`, for families that read them by biases_of().
const ConfigKeys& bias_keys();
/// Qwen's keys of attention in windows, which is to be off.
const ConfigKeys& window_keys();

/// What a key of decoder_spec() means where it is left out: the published code's defaults.
struct DecoderDefaults {
  float norm_eps = 1e-6F;
  int head_size = 0;  ///< 0: hidden_size / num_attention_heads
};

/// What Llama-like config.json files have in common, as one group of all layers: sizes, rotation (halves), scaling of
/// frequencies, RMS norms, SiLU-gated MLP, head. Throws Error on a key that asks for something else.
ModelSpec decoder_spec(const nlohmann::json& config, const std::string& where, const DecoderDefaults& defaults = {});

/// Throws Error naming both keys unless `heads` divides `hidden`; gives the quotient.
int whole_head_size(int hidden, std::string_view hidden_key, int heads, std::string_view heads_key,
                    const std::string& where);

/// rope_theta, also where it stands in rope_scaling or rope_parameters; `otherwise` when it stands nowhere. Throws
/// Error when it stands in two places with different values.
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

/// Which linear maps of a layer have biases in a checkpoint.
struct LayerBiases {
  bool qkv = false;
  bool out = false;
  bool mlp = false;
};
LayerBiases biases_of(const nlohmann::json& config, const std::string& where);

/// Gives every layer of a decoder_mapping() those biases. Where only some maps have them, the others get zeros, which
/// change nothing: a ModelSpec knows biases on queries, keys and values alone, or on all maps.
void map_biases(Mapping& mapping, const LayerBiases& biases);

}  // namespace gyre
