#include "model/families/decoder_names.hpp"

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

/// Keys that change the computation in ways gyre has no switch for, unless they are absent, null or false.
void refuse(const nlohmann::json& config, std::initializer_list<const char*> keys, const std::string& where) {
  for (const char* key : keys) {
    const auto found = config.find(key);
    if (found == config.end() || found->is_null() || (found->is_boolean() && !found->get<bool>())) continue;
    throw Error("{}: {} is set to {}; gyre does not do that", where, key, found->dump());
  }
}

/// The extended context of Llama 3.1: low frequencies are divided by `factor`, high ones kept, those between blended.
std::vector<float> llama3_divisors(const JsonObject& scaling, float theta, int head_size) {
  const double factor = scaling.number("factor", 1, 1e6);
  const double low = scaling.number("low_freq_factor", 1e-6, 1e6);
  const double high = scaling.number("high_freq_factor", 1e-6, 1e6);
  const double original = scaling.integer("original_max_position_embeddings", 1, kMost);
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
  if (object.number("partial_rotary_factor", 0, 1e6, 1.0F) == 1.0F) return;
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

}  // namespace

bool is_type(const nlohmann::json& config, std::string_view type) {
  const auto found = config.find("model_type");
  return found != config.end() && found->is_string() && found->get<std::string>() == type;
}

float rotary_theta(const nlohmann::json& config, float otherwise, const std::string& where) {
  const JsonObject object(config, where);
  if (object.given("rope_theta")) return object.number("rope_theta", 1, 1e12);
  for (const char* const key : kRotationKeys) {
    const auto found = rotation(config, key, where);
    if (found && found->given("rope_theta")) return found->number("rope_theta", 1, 1e12);
  }
  return otherwise;
}

std::vector<float> rotary_divisors(const nlohmann::json& config, float theta, int head_size, const std::string& where) {
  for (const char* const key : kRotationKeys) {
    const auto scaling = rotation(config, key, where);
    if (!scaling) continue;
    if (head_size > kMostScaledWidth) {
      throw Error("{}: heads are {} wide; {} is for up to {}", where, head_size, key, kMostScaledWidth);
    }
    const std::string kind = scaling->text("rope_type", scaling->text("type", "default"));
    if (kind == "default") return {};
    if (kind == "llama3") return llama3_divisors(*scaling, theta, head_size);
    if (kind == "linear") {
      return std::vector<float>(static_cast<std::size_t>(head_size / 2), scaling->number("factor", 1e-6, 1e6));
    }
    throw Error("{}: {} is of type \"{}\"; gyre does llama3 and linear", where, key, kind);
  }
  return {};
}

ModelSpec decoder_spec(const nlohmann::json& config, const std::string& where) {
  refuse(config, {"attention_bias", "mlp_bias", "use_sliding_window"}, where);
  const JsonObject object(config, where);
  if (const std::string act = object.text("hidden_act", "silu"); act != "silu") {
    throw Error("{}: hidden_act is \"{}\"; gyre does silu in this family", where, act);
  }
  require_whole_heads(object, where);
  ModelSpec spec;
  spec.name = object.text("_name_or_path", object.text("model_type"));
  spec.vocab_size = object.integer("vocab_size", 1, kMost);
  spec.context = object.integer("max_position_embeddings", 1, kMost);
  spec.hidden_size = object.integer("hidden_size", 1, kMost);
  spec.heads = object.integer("num_attention_heads", 1, kMost);
  spec.kv_heads = object.given("num_key_value_heads") ? object.integer("num_key_value_heads", 1, kMost) : spec.heads;
  spec.head_size = object.given("head_dim") ? object.integer("head_dim", 1, kMost) : spec.hidden_size / spec.heads;
  spec.ffn_size = object.integer("intermediate_size", 1, kMost);
  spec.norm_eps = object.number("rms_norm_eps", 0, 1, 1e-6F);
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
    if (mapping.spec.qkv_biases) {
      recipes[gyre + "attn.qkv.bias"] = {
          {attention + "q_proj.bias", attention + "k_proj.bias", attention + "v_proj.bias"}, {}};
    }
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

}  // namespace gyre
