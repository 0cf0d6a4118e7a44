#pragma once

#include <string>
#include <vector>

#include "model/families.hpp"
#include "model/families/rotation.hpp"

namespace gyre {

/// Whether config.json says `model_type` is `type`.
bool is_type(const nlohmann::json& config, std::string_view type);

/// The keys that decoder_spec() reads.
const ConfigKeys& decoder_keys();
/// `attention_bias` and `mlp_bias`, for families that read them by biases_of().
const ConfigKeys& bias_keys();
/// Qwen's keys of attention in windows: read, or to be off.
const ConfigKeys& window_keys();
const ConfigKeys& no_window_keys();

/// What a key of decoder_spec() means where it is left out: the published code's defaults.
struct DecoderDefaults {
  float norm_eps = 1e-6F;
  int head_size = 0;  ///< 0: hidden_size / num_attention_heads
  int context = 0;    ///< of files without max_position_embeddings; 0: it has to be there
  bool tied_head = false;
  std::string activation_key = "hidden_act";
  std::string activation = "silu";
  PartialRotation partial = PartialRotation::refused;
  bool windows = false;        ///< true: the family reads layer_types by itself
  bool reads_rotation = true;  ///< false: the family reads it by itself
};

/// What Llama-like config.json files have in common, as one group of all layers: sizes, rotation (halves), RMS norms,
/// gated MLP, head. Throws Error on a key that asks for something else.
ModelSpec decoder_spec(const nlohmann::json& config, const std::string& where, const DecoderDefaults& defaults = {});

/// Throws Error naming both keys unless `heads` divides `hidden`; gives the quotient.
int whole_head_size(int hidden, std::string_view hidden_key, int heads, std::string_view heads_key,
                    const std::string& where);

/// The MLP whose gate has this activation, by its name in transformers. Throws Error naming `key`.
MlpKind gate_of(const std::string& activation, const std::string& key, const std::string& where);

/// The layers that layer_types calls sliding. Throws Error when it has not one entry a layer, or another name.
std::vector<int> window_layers(const nlohmann::json& config, int layers, const std::string& where);
/// These layers see `window` positions, unless that is all there are.
void set_window(ModelSpec& spec, int window, std::vector<int> layers, const std::string& where);
/// Every layer does.
void set_window(ModelSpec& spec, int window, const std::string& where);
/// Qwen's windows: where use_sliding_window is on, the layers that layer_types names or those from max_window_layers
/// on.
void read_qwen_windows(const nlohmann::json& config, ModelSpec& spec, const std::string& where);

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
