#include "model/families/decoder_names.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <optional>

#include "base/error.hpp"
#include "format/json_object.hpp"

namespace gyre {
namespace {

constexpr int kMost = 1 << 24;
/// The divisors of wider heads would take memory that nothing in the file justifies.
constexpr int kMostScaledWidth = 1 << 14;

/// The extended context of Llama 3.1: low frequencies are divided by `factor`, high ones kept, those between blended.
std::vector<float> llama3_divisors(const JsonObject& scaling, float theta, int head_size, const std::string& where) {
  const double factor = scaling.number("factor", 1, 1e6);
  const double low = scaling.number("low_freq_factor", 1e-6, 1e6);
  const double high = scaling.number("high_freq_factor", 1e-6, 1e6);
  const double original = scaling.integer("original_max_position_embeddings", 1, kMost);
  if (high <= low) {
    throw Error("{}: high_freq_factor ({}) must be above low_freq_factor ({})", where, high, low);
  }
  std::vector<float> divisors;
  for (int i = 0; i < head_size / 2; ++i) {
    const double frequency = std::pow(static_cast<double>(theta), -2.0 * i / head_size);
    const double wavelength = 2 * std::numbers::pi / frequency;
    double share = (original / wavelength - low) / (high - low);  // 0: scaled, 1: kept
    share = std::min(1.0, std::max(0.0, share));
    divisors.push_back(static_cast<float>(1.0 / ((1 - share) / factor + share)));
  }
  return divisors;
}

/// Keys under which the rotation stands: transformers 5 writes rope_parameters, with rope_theta in it, and those before
/// it rope_scaling, which it still prefers.
constexpr const char* kRotationKeys[] = {"rope_scaling", "rope_parameters"};

void require_whole_heads(const JsonObject& object, const std::string& where) {
  if (!object.given("partial_rotary_factor") || object.number("partial_rotary_factor", 0, 1e6) == 1.0F) return;
  throw Error("{}: partial_rotary_factor is set; gyre rotates whole heads", where);
}

/// The rotation under `key`; null when there is none.
std::optional<JsonObject> rotation(const nlohmann::json& config, const char* key, const std::string& where) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null() || found->empty()) return {};
  const std::string place = fmt::format("{}: {}", where, key);
  JsonObject object(*found, place);
  for (const auto& [name, value] : found->items()) {
    if (value.is_object()) throw Error("{}: {} is for some layers only; gyre rotates all alike", place, name);
  }
  require_whole_heads(object, place);
  return object;
}

/// "default", "linear" or "llama3". Each has its keys, of which none may be left unread.
std::string kind_of(const JsonObject& scaling, const nlohmann::json& json, const std::string& where) {
  const std::string kind = scaling.text("rope_type", scaling.text("type", "default"));
  if (const std::string other = scaling.text("type", kind); other != kind) {
    throw Error("{}: rope_type is \"{}\", but type is \"{}\"; give one of them", where, kind, other);
  }
  if (kind != "default" && kind != "linear" && kind != "llama3") {
    throw Error("{} is of type \"{}\"; gyre does llama3 and linear", where, kind);
  }
  const std::vector<std::string_view> numbers =
      kind == "default"  ? std::vector<std::string_view>()
      : kind == "linear" ? std::vector<std::string_view>{"factor"}
                         : std::vector<std::string_view>{"factor", "low_freq_factor", "high_freq_factor",
                                                         "original_max_position_embeddings"};
  for (const auto& [name, value] : json.items()) {
    if (name == "rope_type" || name == "type" || name == "rope_theta" || name == "partial_rotary_factor") continue;
    if (value.is_null() || std::find(numbers.begin(), numbers.end(), name) != numbers.end()) continue;
    throw Error("{}: gyre does not know the key {} for rotations of type \"{}\"; name the type it belongs to", where,
                nlohmann::json(name).dump(-1, ' ', true), kind);
  }
  return kind;
}

/// Every layer attends to everything before it.
void require_full_attention(const nlohmann::json& config, const std::string& where) {
  const JsonObject object(config, where);
  if (!object.given("layer_types")) return;
  for (const nlohmann::json& type : object.array("layer_types")) {
    if (type == "full_attention") continue;
    throw Error("{}: layer_types holds {}; gyre does full_attention only", where, type.dump(-1, ' ', true));
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
       "rope_parameters", "partial_rotary_factor", "layer_types", "tie_word_embeddings"},
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
  // The width of a window and its first layer are read where use_sliding_window is on.
  static const ConfigKeys keys = {{}, {"sliding_window", "max_window_layers"}, {{"use_sliding_window", "[false]"}}, {}};
  return keys;
}

float rotary_theta(const nlohmann::json& config, float otherwise, const std::string& where) {
  std::optional<float> theta;
  const auto read = [&](const JsonObject& object) {
    if (!object.given("rope_theta")) return;
    const float given = object.number("rope_theta", 1, 1e12);
    if (theta && *theta != given) {
      throw Error("{}: rope_theta is given as {} and as {}; which one holds?", where, *theta, given);
    }
    theta = given;
  };
  read(JsonObject(config, where));
  for (const char* const key : kRotationKeys) {
    if (const auto found = rotation(config, key, where)) read(*found);
  }
  return theta.value_or(otherwise);
}

std::vector<float> rotary_divisors(const nlohmann::json& config, float theta, int head_size, const std::string& where) {
  for (const char* const key : kRotationKeys) {
    const auto scaling = rotation(config, key, where);
    if (!scaling) continue;
    if (head_size > kMostScaledWidth) {
      throw Error("{}: heads are {} wide; {} is for up to {}", where, head_size, key, kMostScaledWidth);
    }
    const std::string place = fmt::format("{}: {}", where, key);
    const std::string kind = kind_of(*scaling, config.at(key), place);
    if (kind == "default") return {};
    if (kind == "llama3") return llama3_divisors(*scaling, theta, head_size, place);
    return std::vector<float>(static_cast<std::size_t>(head_size / 2), scaling->number("factor", 1e-6, 1e6));
  }
  return {};
}

int whole_head_size(int hidden, std::string_view hidden_key, int heads, std::string_view heads_key,
                    const std::string& where) {
  if (hidden % heads == 0) return hidden / heads;
  throw Error("{}: {} ({}) must be a multiple of {} ({})", where, hidden_key, hidden, heads_key, heads);
}

ModelSpec decoder_spec(const nlohmann::json& config, const std::string& where, const DecoderDefaults& defaults) {
  require_full_attention(config, where);
  const JsonObject object(config, where);
  if (const std::string act = object.text("hidden_act", "silu"); act != "silu" && act != "swish") {
    throw Error("{}: hidden_act is \"{}\"; gyre does silu in this family", where, act);
  }
  require_whole_heads(object, where);
  ModelSpec spec;
  spec.name = object.given("_name_or_path") ? object.text("_name_or_path") : object.text("model_type");
  spec.vocab_size = object.integer("vocab_size", 1, kMost);
  spec.context = object.integer("max_position_embeddings", 1, kMost);
  spec.hidden_size = object.integer("hidden_size", 1, kMost);
  spec.heads = object.integer("num_attention_heads", 1, kMost);
  spec.kv_heads = object.given("num_key_value_heads") ? object.integer("num_key_value_heads", 1, kMost) : spec.heads;
  if (object.given("head_dim")) {
    spec.head_size = object.integer("head_dim", 1, kMost);
  } else if (defaults.head_size > 0 && !object.has("head_dim")) {
    spec.head_size = defaults.head_size;
  } else {
    spec.head_size = whole_head_size(spec.hidden_size, "hidden_size", spec.heads, "num_attention_heads", where);
  }
  spec.ffn_size = object.integer("intermediate_size", 1, kMost);
  spec.norm_eps = object.number("rms_norm_eps", 0, 1, defaults.norm_eps);
  spec.qk_norm_eps = spec.norm_eps;
  spec.rotary_theta = rotary_theta(config, 10000.0F, where);
  spec.rotary_divisors = rotary_divisors(config, spec.rotary_theta, spec.head_size, where);
  spec.tied_head = object.boolean("tie_word_embeddings", false);
  spec.groups = {plain_group("layers", object.integer("num_hidden_layers", 1, kMostLoops))};
  return spec;
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
