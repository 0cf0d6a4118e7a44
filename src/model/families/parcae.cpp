#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre {
namespace {

constexpr int kMost = 1 << 24;
/// The smallest step of f32 at 1: what the weightless norm of q and k uses.
constexpr float kQkEps = 0x1p-23F;

float softplus(float x) { return x > 20 ? x : std::log1p(std::exp(x)); }

bool same_size(Recipe::Parts parts, std::span<float> out) {
  return parts[0].size() == out.size() && parts[1].size() == out.size();
}

/// The layers of `group`, whose first is layer `begin` of the model, that have a value embedding: every second layer,
/// the last one included.
std::vector<int> value_layers(int begin, int layers, int layer_count) {
  std::vector<int> found;
  for (int l = 0; l < layers; ++l) {
    if ((begin + l) % 2 == (layer_count - 1) % 2) found.push_back(l);
  }
  return found;
}

std::vector<Group> groups_of(const JsonObject& object) {
  Group prelude = plain_group("prelude", object.integer("n_layers_in_prelude", 1, kMostLoops));
  prelude.exit_norm = object.boolean("prelude_norm", true);
  Group core = plain_group("core", object.integer("n_layers_in_recurrent_block", 1, kMostLoops));
  core.loops = object.integer("mean_recurrence", 1, kMostLoops);
  core.injection = Injection::decay;
  core.first_state = FirstState::noise;
  core.noise_std = std::sqrt(2.0F / (5.0F * static_cast<float>(object.integer("n_embd", 1, kMost))));
  core.exit_linear = true;
  Group coda = plain_group("coda", object.integer("n_layers_in_coda", 1, kMostLoops));
  const int count = prelude.layers + core.layers + coda.layers;
  prelude.value_layers = value_layers(0, prelude.layers, count);
  core.value_layers = value_layers(prelude.layers, core.layers, count);
  coda.value_layers = value_layers(prelude.layers + core.layers, coda.layers, count);
  return {prelude, core, coda};
}

ModelSpec spec_of(const nlohmann::json& config, const std::string& where) {
  const JsonObject object(config, where);
  if (const std::string kind = object.text("injection_type", "diagonal"); kind != "diagonal") {
    throw Error("{}: injection_type is \"{}\"; gyre does diagonal in this family", where, kind);
  }
  ModelSpec spec;
  spec.name = object.text("name", "parcae");
  spec.vocab_size = object.integer("padded_vocab_size", 1, kMost);
  spec.context = object.integer("block_size", 1, kMost);
  spec.hidden_size = object.integer("n_embd", 1, kMost);
  spec.heads = object.integer("num_attention_heads", 1, kMost);
  spec.kv_heads = object.integer("num_key_value_heads", 1, kMost, spec.heads);
  spec.head_size = spec.hidden_size / spec.heads;
  spec.ffn_size = object.integer("intermediate_size", 1, kMost);
  spec.norm_eps = object.number("norm_eps", 0, 1, 1e-5F);
  spec.qk_norm = object.boolean("qk_norm", true) ? QkNorm::after_rotary : QkNorm::none;
  spec.qk_norm_eps = kQkEps;
  spec.position = PositionKind::rotary_adjacent;
  spec.rotary_theta = object.object("rope_settings").number("rope_base", 1, 1e12, 10000.0F);
  spec.mlp = MlpKind::relu_squared;
  spec.tied_head = object.boolean("tie_embeddings", true);
  const auto cap = config.find("logit_softcap");
  if (cap != config.end() && !cap->is_null()) spec.logit_softcap = object.number("logit_softcap", 0, 1e6);
  spec.groups = groups_of(object);
  return spec;
}

/// s ← exp(−δ exp(A_log)) ⊙ s + δ ⊙ (B e) with δ = softplus(dt_bias): arXiv 2604.12946.
void map_core(Mapping& mapping) {
  const auto hidden = static_cast<std::size_t>(mapping.spec.hidden_size);
  const std::string adapter = "transformer.adapter.";
  mapping.recipes["groups.1.inject.decay"] = {{adapter + "dt_bias", adapter + "A_log"},
                                              [](Recipe::Parts parts, std::span<float> out) {
                                                if (!same_size(parts, out)) return false;
                                                for (std::size_t i = 0; i < out.size(); ++i) {
                                                  const float delta = softplus(parts[0][i]);
                                                  out[i] = std::exp(-delta * std::exp(parts[1][i]));
                                                }
                                                return true;
                                              }};
  mapping.recipes["groups.1.inject.weight"] = {{adapter + "dt_bias", adapter + "B"},
                                               [hidden](Recipe::Parts parts, std::span<float> out) {
                                                 if (parts[0].size() != hidden || parts[1].size() != out.size())
                                                   return false;
                                                 for (std::size_t i = 0; i < out.size(); ++i) {
                                                   out[i] = softplus(parts[0][i / hidden]) * parts[1][i];
                                                 }
                                                 return true;
                                               }};
  mapping.recipes["groups.1.exit.weight"] = {{"transformer.C.weight"}, {}};
  mapping.recipes["groups.0.exit_norm.weight"] = {{"transformer.ln_prelude.weight"}, {}};
}

void map_layer(Mapping& mapping, const std::string& gyre, const std::string& stored, int place, bool value) {
  auto& recipes = mapping.recipes;
  recipes[gyre + "attn.norm_in.weight"] = {{stored + "norm_1.weight"}, {}};
  recipes[gyre + "attn.qkv.weight"] = {
      {stored + "attn.c_q.weight", stored + "attn.c_k.weight", stored + "attn.c_v.weight"}, {}};
  recipes[gyre + "attn.out.weight"] = {{stored + "attn.c_proj.weight"}, {}};
  recipes[gyre + "mlp.norm_in.weight"] = {{stored + "norm_2.weight"}, {}};
  recipes[gyre + "mlp.up.weight"] = {{stored + "mlp.fc.weight"}, {}};
  // The published activation is relu(x)² / 2.
  recipes[gyre + "mlp.down.weight"] = {{stored + "mlp.proj.weight"}, arrange::scaled(0.5F)};
  if (!value) return;
  recipes[gyre + "attn.value_gate.weight"] = {{stored + "attn.ve_gate.weight"}, {}};
  recipes[gyre + "attn.value_embed.weight"] = {{fmt::format("value_embeds.{}.weight", place)}, {}};
}

Mapping map(const nlohmann::json& config, const TensorStore& /*tensors*/, const std::string& where) {
  Mapping mapping;
  mapping.spec = spec_of(config, where);
  mapping.recipes["embed.weight"] = {{"transformer.wte.weight"}, {}};
  mapping.recipes["final_norm.weight"] = {{"transformer.ln_f.weight"}, {}};
  if (!mapping.spec.tied_head) mapping.recipes["head.weight"] = {{"lm_head.weight"}, {}};
  mapping.unused = {"lm_head.weight", "freqs_cis"};
  map_core(mapping);
  const char* const parts[] = {"prelude", "core_block", "coda"};
  int place = 0;
  for (std::size_t g = 0; g < 3; ++g) {
    const Group& group = mapping.spec.groups[g];
    for (int l = 0; l < group.layers; ++l, ++place) {
      const bool value = std::count(group.value_layers.begin(), group.value_layers.end(), l) > 0;
      map_layer(mapping, fmt::format("groups.{}.layers.{}.", g, l), fmt::format("transformer.{}.{}.", parts[g], l),
                place, value);
    }
  }
  return mapping;
}

}  // namespace

Family parcae_family() {
  return {"parcae", "Parcae 140M to 1.3B",
          [](const nlohmann::json& config) {
            const auto name = config.find("model_class_name");
            return name != config.end() && *name == "Parcae";
          },
          map};
}

}  // namespace gyre
