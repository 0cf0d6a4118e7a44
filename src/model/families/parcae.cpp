#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"
#include "model/families/recpre.hpp"

namespace gyre::parcae {
namespace {

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

ConfigKeys keys() {
  return {{"block_size",
           "init_strategy",
           "intermediate_size",
           "logit_softcap",
           "mean_recurrence",
           "model_class_name",
           "n_embd",
           "n_layers_in_coda",
           "n_layers_in_prelude",
           "n_layers_in_recurrent_block",
           "name",
           "nonlin_name",
           "norm_class_name",
           "norm_eps",
           "num_attention_heads",
           "padded_vocab_size",
           "prelude_norm",
           "qk_norm",
           "rope_settings",
           "state_init",
           "tie_embeddings"},
          {"activation_checkpoint_impl", "architecture_class_name", "curriculum_target", "hf_config", "init_orthogonal",
           "lockstep_k", "lockstep_n", "mean_backprop_depth", "padding_multiple", "randomize_positions_from",
           "recurrent_iteration_method", "sampling_scheme", "skip_initialization", "strategy", "use_fused_head",
           "vocab_size"},
          {{"attn_impl", R"(["flash", "sdpa"])"},
           {"bias", "[false]"},
           {"block_class_name", R"(["TransformerPreNormBlock"])"},
           {"center_attention", "[false]"},
           {"clip_qkv", "[]"},
           {"debias_attention", "[false]"},
           {"injection_type", R"(["diagonal"])"},
           {"mlp_class_name", R"(["BaseMLP"])"},
           {"mup_model_scaling_factor", "[1]"},
           {"qk_bias", "[false]"},
           {"simple_ops", "[false]"},
           {"use_abacus", "[false]"}},
          // The core is as wide as the rest, and its layers have as many heads for keys as for queries.
          {{"num_key_value_heads", "num_attention_heads"},
           {"recurrent_embedding_dimension", "n_embd"},
           {"recurrent_intermediation_embedding_dimension", "intermediate_size"},
           {"recurrent_num_attention_heads", "num_attention_heads"}}};
}

std::vector<Group> groups_of(const JsonObject& object, const ModelSpec& spec, const std::string& where) {
  Group prelude = plain_group("prelude", object.integer("n_layers_in_prelude", 1, kMostLoops));
  prelude.exit_norm = object.boolean("prelude_norm", false);
  Group core = plain_group("core", object.integer("n_layers_in_recurrent_block", 1, kMostLoops));
  core.loops = object.integer("mean_recurrence", 1, kMostLoops);
  core.injection = Injection::decay;
  set_first_state(core, object, spec, where);
  core.exit_linear = true;
  Group coda = plain_group("coda", object.integer("n_layers_in_coda", 1, kMostLoops));
  const int count = prelude.layers + core.layers + coda.layers;
  prelude.value_layers = value_layers(0, prelude.layers, count);
  core.value_layers = value_layers(prelude.layers, core.layers, count);
  coda.value_layers = value_layers(prelude.layers + core.layers, coda.layers, count);
  return {prelude, core, coda};
}

MlpKind activation_of(const JsonObject& object, const std::string& where) {
  const std::string name = object.text("nonlin_name");
  if (name == "GELU") return MlpKind::gelu;
  if (name == "ReLU2") return MlpKind::relu_squared;
  throw Error("{}: nonlin_name is \"{}\"; gyre does ReLU2 and GELU in this family", where, name);
}

ModelSpec spec_of(const nlohmann::json& config, const std::string& where) {
  const JsonObject object(config, where);
  require_name(object, "norm_class_name", "RMSNorm", where);
  ModelSpec spec = recpre_sizes(object, "parcae", where);
  spec.mlp = activation_of(object, where);
  spec.tied_head = object.boolean("tie_embeddings", false);
  if (object.given("logit_softcap")) spec.logit_softcap = object.number("logit_softcap", 1e-6, 1e6);
  spec.groups = groups_of(object, spec, where);
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
  // The published ReLU2 is relu(x)² / 2.
  const bool halved = mapping.spec.mlp == MlpKind::relu_squared;
  recipes[gyre + "mlp.down.weight"] = {{stored + "mlp.proj.weight"}, halved ? arrange::scaled(0.5F) : Arrangement()};
  if (!value) return;
  recipes[gyre + "attn.value_gate.weight"] = {{stored + "attn.ve_gate.weight"}, {}};
  recipes[gyre + "attn.value_embed.weight"] = {{fmt::format("value_embeds.{}.weight", place)}, {}};
}

/// The published program uses a value embedding only where its layer has a gate too. It places embeddings by the layers
/// there are and gates by mean_recurrence and mean_backprop_depth, which differ where the core has an odd number of
/// layers.
void keep_pairs(Mapping& mapping, const TensorStore& tensors) {
  const char* const parts[] = {"prelude", "core_block", "coda"};
  int begin = 0;
  for (std::size_t g = 0; g < 3; ++g) {
    Group& group = mapping.spec.groups[g];
    std::vector<int> pairs;
    for (int l = 0; l < group.layers; ++l) {
      const std::string gate = fmt::format("transformer.{}.{}.attn.ve_gate.weight", parts[g], l);
      const std::string embedding = fmt::format("value_embeds.{}.weight", begin + l);
      if (tensors.tensors().contains(gate) && tensors.tensors().contains(embedding)) {
        pairs.push_back(l);
      } else {
        mapping.unused.push_back(gate);
        mapping.unused.push_back(embedding);
      }
    }
    group.value_layers = pairs;
    begin += group.layers;
  }
}

Mapping map(const nlohmann::json& config, const TensorStore& tensors, const std::string& where) {
  Mapping mapping;
  mapping.spec = spec_of(config, where);
  mapping.unused = {"lm_head.weight", "freqs_cis"};
  keep_pairs(mapping, tensors);
  mapping.recipes["embed.weight"] = {{"transformer.wte.weight"}, {}};
  mapping.recipes["final_norm.weight"] = {{"transformer.ln_f.weight"}, {}};
  if (!mapping.spec.tied_head) mapping.recipes["head.weight"] = {{"lm_head.weight"}, {}};
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

Family family() {
  return {"parcae", "Parcae 140M to 1.3B", [](const nlohmann::json& config) { return is_class(config, "Parcae"); },
          keys(), map};
}

}  // namespace gyre::parcae
