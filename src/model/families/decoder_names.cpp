#include "model/families/decoder_names.hpp"

#include <nlohmann/json.hpp>
#include <numeric>

#include "base/enum_name.hpp"
#include "base/error.hpp"
#include "format/json_object.hpp"

namespace gyre {
namespace {

/// Activations by their names in transformers, as gates of an MLP.
constexpr EnumName<MlpKind> kGates[] = {{MlpKind::silu_gated, "silu"},
                                        {MlpKind::silu_gated, "swish"},
                                        {MlpKind::gelu_gated, "gelu"},
                                        {MlpKind::gelu_gated, "gelu_python"},
                                        {MlpKind::gelu_tanh_gated, "gelu_pytorch_tanh"},
                                        {MlpKind::gelu_tanh_gated, "gelu_python_tanh"},
                                        {MlpKind::gelu_tanh_gated, "gelu_new"},
                                        {MlpKind::gelu_tanh_gated, "gelu_fast"}};

/// Every layer attends to everything before it.
void require_full_attention(const nlohmann::json& config, const std::string& where) {
  const JsonObject object(config, where);
  if (!object.given("layer_types")) return;
  for (const nlohmann::json& type : object.array("layer_types")) {
    if (type == "full_attention") continue;
    throw Error("{}: layer_types holds {}; gyre does full_attention only in this family", where,
                type.dump(-1, ' ', true));
  }
}

/// A bias stacked of the parts' biases, or zeros where the checkpoint has none.
Recipe bias_recipe(std::vector<std::string> parts, bool there) {
  if (there) return {std::move(parts), {}};
  return {{}, arrange::zeros()};
}

}  // namespace

bool is_type(const nlohmann::json& config, std::string_view type) {
  const auto found = config.find("model_type");
  return found != config.end() && found->is_string() && found->get<std::string>() == type;
}

const ConfigKeys& decoder_keys() {
  static const ConfigKeys keys = {
      {"vocab_size", "max_position_embeddings", "hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim",
       "intermediate_size", "num_hidden_layers", "rms_norm_eps", "hidden_act", "rope_theta", "rope_scaling",
       "rope_parameters", "original_max_position_embeddings", "partial_rotary_factor", "layer_types",
       "tie_word_embeddings"},
      {"pretraining_tp"},
      {},
      {}};
  return keys;
}

const ConfigKeys& bias_keys() {
  static const ConfigKeys keys = {{"attention_bias", "mlp_bias"}, {}, {}, {}};
  return keys;
}

const ConfigKeys& window_keys() {
  static const ConfigKeys keys = {{"sliding_window", "max_window_layers", "use_sliding_window"}, {}, {}, {}};
  return keys;
}

const ConfigKeys& no_window_keys() {
  // The width of a window and its first layer are read where use_sliding_window is on.
  static const ConfigKeys keys = {{}, {"sliding_window", "max_window_layers"}, {{"use_sliding_window", "[false]"}}, {}};
  return keys;
}

MlpKind gate_of(const std::string& activation, const std::string& key, const std::string& where) {
  return parse_enum<MlpKind>(kGates, activation, where + ": " + key, "activation that gyre does");
}

int whole_head_size(int hidden, std::string_view hidden_key, int heads, std::string_view heads_key,
                    const std::string& where) {
  if (hidden % heads == 0) return hidden / heads;
  throw Error("{}: {} ({}) must be a multiple of {} ({})", where, hidden_key, hidden, heads_key, heads);
}

ModelSpec decoder_spec(const nlohmann::json& config, const std::string& where, const DecoderDefaults& defaults) {
  const JsonObject object(config, where);
  if (!defaults.windows) require_full_attention(config, where);
  ModelSpec spec;
  spec.mlp = gate_of(object.text(defaults.activation_key, defaults.activation), defaults.activation_key, where);
  spec.name = object.given("_name_or_path") ? object.text("_name_or_path") : object.text("model_type");
  spec.vocab_size = object.integer("vocab_size", 1, kMostSize);
  spec.context = object.given("max_position_embeddings") || defaults.context == 0
                     ? object.integer("max_position_embeddings", 1, kMostSize)
                     : defaults.context;
  spec.hidden_size = object.integer("hidden_size", 1, kMostSize);
  spec.heads = object.integer("num_attention_heads", 1, kMostSize);
  spec.kv_heads =
      object.given("num_key_value_heads") ? object.integer("num_key_value_heads", 1, kMostSize) : spec.heads;
  if (object.given("head_dim")) {
    spec.head_size = object.integer("head_dim", 1, kMostSize);
  } else if (defaults.head_size > 0 && !object.has("head_dim")) {
    spec.head_size = defaults.head_size;
  } else {
    spec.head_size = whole_head_size(spec.hidden_size, "hidden_size", spec.heads, "num_attention_heads", where);
  }
  spec.ffn_size = object.integer("intermediate_size", 1, kMostSize);
  spec.norm_eps = object.number("rms_norm_eps", 0, 1, defaults.norm_eps);
  spec.qk_norm_eps = spec.norm_eps;
  if (defaults.reads_rotation) read_rotation(config, spec, where, defaults.partial);
  spec.tied_head = object.boolean("tie_word_embeddings", defaults.tied_head);
  spec.groups = {plain_group("layers", object.integer("num_hidden_layers", 1, kMostLoops))};
  return spec;
}

std::vector<int> window_layers(const nlohmann::json& config, int layers, const std::string& where) {
  const JsonObject object(config, where);
  const nlohmann::json& types = object.array("layer_types");
  if (types.size() != static_cast<std::size_t>(layers)) {
    throw Error("{}: layer_types has {} entries; the model has {} layers", where, types.size(), layers);
  }
  std::vector<int> slide;
  for (std::size_t l = 0; l < types.size(); ++l) {
    if (types[l] == "sliding_attention") {
      slide.push_back(static_cast<int>(l));
    } else if (types[l] != "full_attention") {
      throw Error("{}: layer_types holds {}; gyre does full_attention and sliding_attention", where,
                  types[l].dump(-1, ' ', true));
    }
  }
  return slide;
}

void set_window(ModelSpec& spec, int window, std::vector<int> layers, const std::string& where) {
  if (layers.empty() || window >= spec.context) return;  // nothing is ever outside
  if (window < 2) throw Error("{}: sliding_window is {}; it must be 2 or more", where, window);
  spec.window = window;
  spec.groups[0].window_layers = std::move(layers);
}

void set_window(ModelSpec& spec, int window, const std::string& where) {
  std::vector<int> all(static_cast<std::size_t>(spec.groups[0].layers));
  std::iota(all.begin(), all.end(), 0);
  set_window(spec, window, std::move(all), where);
}

void read_qwen_windows(const nlohmann::json& config, ModelSpec& spec, const std::string& where) {
  constexpr int kWindow = 4096;
  constexpr int kFullLayers = 28;
  const JsonObject object(config, where);
  const int layers = spec.groups[0].layers;
  const bool on = object.given("use_sliding_window") && object.boolean("use_sliding_window");
  std::vector<int> slide;
  if (object.given("layer_types")) {
    slide = window_layers(config, layers, where);
    if (!slide.empty() && !on) {
      throw Error("{}: layer_types names sliding layers, but use_sliding_window is not true; which one holds?", where);
    }
  } else if (on) {
    const int full =
        object.given("max_window_layers") ? object.integer("max_window_layers", 0, kMostSize) : kFullLayers;
    for (int l = full; l < layers; ++l) slide.push_back(l);
  }
  if (!on) return;
  const int window = object.given("sliding_window") ? object.integer("sliding_window", 0, kMostSize) : kWindow;
  set_window(spec, window, std::move(slide), where);
}

Mapping ends_mapping(ModelSpec spec) {
  Mapping mapping;
  mapping.recipes["embed.weight"] = {{"model.embed_tokens.weight"}, {}};
  if (spec.final_norm) mapping.recipes["final_norm.weight"] = {{"model.norm.weight"}, {}};
  if (spec.tied_head) {
    mapping.unused = {"lm_head.weight"};
  } else {
    mapping.recipes["head.weight"] = {{"lm_head.weight"}, {}};
  }
  mapping.spec = std::move(spec);
  return mapping;
}

Mapping decoder_mapping(ModelSpec spec) {
  Mapping mapping = ends_mapping(std::move(spec));
  auto& recipes = mapping.recipes;
  for (int l = 0; l < mapping.spec.groups[0].layers; ++l) {
    const std::string gyre = fmt::format("groups.0.layers.{}.", l);
    const std::string stored = fmt::format("model.layers.{}.", l);
    const std::string attention = stored + "self_attn.";
    recipes[gyre + "attn.qkv.weight"] = {
        {attention + "q_proj.weight", attention + "k_proj.weight", attention + "v_proj.weight"}, {}};
    recipes[gyre + "attn.out.weight"] = {{attention + "o_proj.weight"}, {}};
    recipes[gyre + "mlp.up.weight"] = {{stored + "mlp.gate_proj.weight", stored + "mlp.up_proj.weight"}, {}};
    recipes[gyre + "mlp.down.weight"] = {{stored + "mlp.down_proj.weight"}, {}};
    mapping.unused.push_back(attention + "rotary_emb.inv_freq");
  }
  return mapping;
}

void map_layer_norm(Mapping& mapping, const std::string& gyre_name, const std::string& stored) {
  for (int l = 0; l < mapping.spec.groups[0].layers; ++l) {
    mapping.recipes[fmt::format("groups.0.layers.{}.{}.weight", l, gyre_name)] = {
        {fmt::format("model.layers.{}.{}.weight", l, stored)}, {}};
  }
}

LayerBiases biases_of(const nlohmann::json& config, const std::string& where) {
  const JsonObject object(config, where);
  const auto is_on = [&](const char* key) { return object.given(key) && object.boolean(key); };
  const bool attention = is_on("attention_bias");
  return {attention, attention, is_on("mlp_bias")};
}

void map_biases(Mapping& mapping, const LayerBiases& biases) {
  ModelSpec& spec = mapping.spec;
  spec.biases = biases.out || biases.mlp;
  spec.qkv_biases = biases.qkv && !spec.biases;
  if (!spec.biases && !spec.qkv_biases) return;
  auto& recipes = mapping.recipes;
  for (int l = 0; l < spec.groups[0].layers; ++l) {
    const std::string gyre = fmt::format("groups.0.layers.{}.", l);
    const std::string attention = fmt::format("model.layers.{}.self_attn.", l);
    const std::string mlp = fmt::format("model.layers.{}.mlp.", l);
    recipes[gyre + "attn.qkv.bias"] =
        bias_recipe({attention + "q_proj.bias", attention + "k_proj.bias", attention + "v_proj.bias"}, biases.qkv);
    if (!spec.biases) continue;
    recipes[gyre + "attn.out.bias"] = bias_recipe({attention + "o_proj.bias"}, biases.out);
    recipes[gyre + "mlp.up.bias"] = bias_recipe({mlp + "gate_proj.bias", mlp + "up_proj.bias"}, biases.mlp);
    recipes[gyre + "mlp.down.bias"] = bias_recipe({mlp + "down_proj.bias"}, biases.mlp);
  }
}

}  // namespace gyre
