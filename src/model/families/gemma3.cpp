#include <bit>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.hpp"
#include "base/half.hpp"
#include "format/json_object.hpp"
#include "format/tensor_store.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre::gemma3 {
namespace {

constexpr float kFullTheta = 1e6F;
constexpr float kWindowTheta = 1e4F;

ConfigKeys keys() {
  ConfigKeys keys = decoder_keys();
  std::erase(keys.used, "hidden_act");
  std::erase(keys.used, "original_max_position_embeddings");
  return keys + ConfigKeys{{"attention_bias", "final_logit_softcapping", "hidden_activation", "query_pre_attn_scalar",
                            "rope_local_base_freq", "sliding_window", "sliding_window_pattern"},
                           // Its class does not read the last three.
                           {"attn_logit_softcapping", "hidden_act", "original_max_position_embeddings"},
                           {{"use_bidirectional_attention", "[false]"}, {"mlp_bias", "[false]"}},
                           {}};
}

/// The layers that see a window: layer_types, or all but every so many.
std::vector<int> sliding(const nlohmann::json& config, int layers, const std::string& where) {
  const JsonObject object(config, where);
  if (object.given("layer_types")) return window_layers(config, layers, where);
  const int pattern = object.given("sliding_window_pattern") ? object.integer("sliding_window_pattern", 1, 1 << 16) : 6;
  std::vector<int> slide;
  for (int l = 0; l < layers; ++l) {
    if ((l + 1) % pattern != 0) slide.push_back(l);
  }
  return slide;
}

/// Layers that see all turn by a scaled theta of their own; those in windows by another, never scaled. transformers 5
/// writes a dictionary for each, those before it keys.
void read_rotations(const nlohmann::json& config, ModelSpec& spec, const std::string& where) {
  const JsonObject object(config, where);
  const auto read = [&](const char* key, float otherwise) {
    return object.given(key) ? object.number(key, 1, 1e12) : otherwise;
  };
  spec.rotary_theta = read("rope_theta", kFullTheta);
  spec.window_theta = read("rope_local_base_freq", kWindowTheta);
  const auto dictionary = [&](const char* key) { return object.given(key) && !config.at(key).empty(); };
  if (dictionary("rope_scaling")) {
    return read_rotation_of(config.at("rope_scaling"), spec.rotary_theta, 0, spec, where + ": rope_scaling",
                            PartialRotation::refused);
  }
  if (!dictionary("rope_parameters")) return;
  const JsonObject both = object.object("rope_parameters");
  both.allow({"full_attention", "sliding_attention"});
  const std::string place = where + ": rope_parameters: ";
  const nlohmann::json& parameters = config.at("rope_parameters");
  if (both.given("sliding_attention")) {
    ModelSpec windows = spec;
    read_rotation_of(parameters.at("sliding_attention"), spec.window_theta, 0, windows, place + "sliding_attention",
                     PartialRotation::refused);
    if (!windows.rotary_divisors.empty() || windows.rotary_context > 0) {
      throw Error("{}sliding_attention is scaled; gyre scales the layers that see all", place);
    }
    spec.window_theta = windows.rotary_theta;
  }
  if (both.given("full_attention")) {
    read_rotation_of(parameters.at("full_attention"), spec.rotary_theta, 0, spec, place + "full_attention",
                     PartialRotation::refused);
  }
}

/// √hidden_size, as its class has it in the type of the embedding's weights.
float embedding_scale(const ModelSpec& spec, const TensorStore& tensors) {
  const float root = std::sqrt(static_cast<float>(spec.hidden_size));
  const auto found = tensors.tensors().find("model.embed_tokens.weight");
  if (found == tensors.tensors().end() || found->second.dtype != DType::bf16) return root;
  return std::bit_cast<float>(std::uint32_t{to_bf16(root)} << 16U);
}

ModelSpec spec_of(const nlohmann::json& config, const TensorStore& tensors, const std::string& where) {
  constexpr int kWindow = 4096;
  const JsonObject object(config, where);
  ModelSpec spec = decoder_spec(config, where,
                                {.head_size = 256,
                                 .context = 131072,
                                 .tied_head = true,
                                 .activation_key = "hidden_activation",
                                 .activation = "gelu_pytorch_tanh",
                                 .windows = true,
                                 .reads_rotation = false});
  read_rotations(config, spec, where);
  const int layers = spec.groups[0].layers;
  const int window = object.given("sliding_window") ? object.integer("sliding_window", 0, kMostContext) : kWindow;
  std::vector<int> slide = sliding(config, layers, where);
  const bool any = !slide.empty();
  set_window(spec, window, std::move(slide), where);
  if (spec.window == 0 && any) {  // nothing is ever outside, but these layers turn otherwise
    spec.window = spec.context;
    spec.groups[0].window_layers = sliding(config, layers, where);
  }
  if (!any) spec.window_theta = 0;
  const float scalar =
      object.given("query_pre_attn_scalar") ? object.number("query_pre_attn_scalar", 1e-6, 1e9) : 256.0F;
  spec.attention_scale = 1.0F / std::sqrt(scalar);
  spec.norm_placement = NormPlacement::branch;
  spec.qk_norm = QkNorm::head;
  spec.embedding_scale = embedding_scale(spec, tensors);
  if (object.given("final_logit_softcapping")) spec.logit_softcap = object.number("final_logit_softcapping", 0, 1e6);
  return spec;
}

/// Norms multiply by 1 + w.
void add_one_to_norms(Mapping& mapping) {
  for (auto& [name, recipe] : mapping.recipes) {
    if (name.find("norm") != std::string::npos) recipe.arrange = arrange::plus_one();
  }
}

Mapping map(const nlohmann::json& config, const TensorStore& tensors, const std::string& where) {
  Mapping mapping = decoder_mapping(spec_of(config, tensors, where));
  map_layer_norm(mapping, "attn.norm_in", "input_layernorm");
  map_layer_norm(mapping, "attn.norm_out", "post_attention_layernorm");
  map_layer_norm(mapping, "attn.q_norm", "self_attn.q_norm");
  map_layer_norm(mapping, "attn.k_norm", "self_attn.k_norm");
  map_layer_norm(mapping, "mlp.norm_in", "pre_feedforward_layernorm");
  map_layer_norm(mapping, "mlp.norm_out", "post_feedforward_layernorm");
  add_one_to_norms(mapping);
  map_biases(mapping, biases_of(config, where));
  return mapping;
}

}  // namespace

Family family() {
  return {"gemma3", "Gemma 3, text", [](const nlohmann::json& config) { return is_type(config, "gemma3_text"); },
          keys(), map};
}

}  // namespace gyre::gemma3
