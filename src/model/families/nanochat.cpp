#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre::nanochat {
namespace {

constexpr float kEps = 1e-6F;

ConfigKeys keys() {
  return {{"input_injection", "logit_softcap", "n_coda", "n_embd", "n_head", "n_kv_head", "n_prelude", "n_recur_block",
           "sequence_len", "train_recur_mean", "vocab_size", "window_pattern"},
          // Training, and keys that the published program takes out when it reads a file.
          {"bptt_k", "inject_mode", "kv_cache_recur_budget", "recur_warm_start", "size", "train_recur_max"},
          {},
          {}};
}

/// window_pattern, repeated over prelude, core and coda: layers of S see half a context behind them and themselves,
/// those of L everything before; the last layer always does.
void set_windows(ModelSpec& spec, const JsonObject& object, const std::string& where) {
  const std::string pattern = object.text("window_pattern", "L");
  if (pattern.empty() || pattern.find_first_not_of("LlSs") != std::string::npos) {
    throw Error("{}: window_pattern is \"{}\"; it must be made of L and S", where, pattern);
  }
  const int layers = std::accumulate(spec.groups.begin(), spec.groups.end(), 0,
                                     [](int sum, const Group& group) { return sum + group.layers; });
  std::size_t at = 0;
  for (Group& group : spec.groups) {
    for (int l = 0; l < group.layers; ++l, ++at) {
      const char kind = pattern[at % pattern.size()];
      if (kind != 'S' && kind != 's') continue;
      if (at + 1 < static_cast<std::size_t>(layers)) group.window_layers.push_back(l);
    }
    if (!group.window_layers.empty()) spec.window = spec.context / 2 + 1;
  }
}

/// How the state and the prelude's output enter the core.
void set_injection(Group& core, const JsonObject& object, const std::string& where) {
  const std::string injection = object.text("input_injection", "inject_init_prelude");
  if (injection == "inject_init_random") {
    core.first_state = FirstState::noise;
    core.noise_std = 1;  // the published program since 21 February 2026; 1/sqrt(n_embd) before
  }
  if (injection == "inject_init_random" || injection == "inject_init_prelude") {
    core.injection = Injection::linear;
  } else if (injection != "passthrough") {
    throw Error("{}: input_injection is \"{}\"; gyre does inject_init_prelude, inject_init_random and passthrough",
                where, injection);
  }
}

ModelSpec spec_of(const nlohmann::json& config, const std::string& where) {
  const JsonObject object(config, where);
  ModelSpec spec;
  spec.name = "looped-nanochat";
  spec.vocab_size = object.integer("vocab_size", 1, kMostSize);
  spec.context = object.integer("sequence_len", 1, kMostSize);
  spec.hidden_size = object.integer("n_embd", 1, kMostSize);
  spec.heads = object.integer("n_head", 1, kMostSize);
  spec.kv_heads = object.integer("n_kv_head", 1, kMostSize, spec.heads);
  spec.head_size = whole_head_size(spec.hidden_size, "n_embd", spec.heads, "n_head", where);
  spec.ffn_size = 4 * spec.hidden_size;
  spec.norm_placement = NormPlacement::sandwich;
  spec.norm_eps = spec.qk_norm_eps = kEps;
  spec.embedding_norm = true;
  spec.qk_norm = QkNorm::after_rotary;
  spec.rotary_bf16 = true;  // whatever the type of its weights
  spec.mlp = MlpKind::relu_squared;
  spec.tied_head = false;
  spec.logit_softcap = object.number("logit_softcap", 1e-6, 1e6, 15.0F);
  Group core = plain_group("core", object.integer("n_recur_block", 1, kMostLoops));
  core.loops = static_cast<int>(object.number("train_recur_mean", 1, kMostLoops));
  core.loop_norm = true;
  set_injection(core, object, where);
  spec.groups = {plain_group("prelude", object.integer("n_prelude", 1, kMostLoops)), core,
                 plain_group("coda", object.integer("n_coda", 1, kMostLoops))};
  set_windows(spec, object, where);
  return spec;
}

/// q, k and v by rows. Rotation turns the other way round here; with the halves of each head of q and k exchanged it is
/// the usual one.
Arrangement with_heads_turned(const ModelSpec& spec) {
  const auto half = static_cast<std::size_t>(spec.head_size / 2) * static_cast<std::size_t>(spec.hidden_size);
  return [half](Recipe::Parts parts, std::span<float> out) {
    const std::size_t total = parts[0].size() + parts[1].size() + parts[2].size();
    if (total != out.size() || parts[0].size() % (2 * half) != 0 || parts[1].size() % (2 * half) != 0) return false;
    float* to = out.data();
    for (std::size_t p = 0; p < 2; ++p) {
      for (std::size_t i = 0; i < parts[p].size(); i += 2 * half) {
        const float* head = parts[p].data() + i;
        to = std::rotate_copy(head, head + half, head + 2 * half, to);
      }
    }
    std::copy(parts[2].begin(), parts[2].end(), to);
    return true;
  };
}

void map_layer(Mapping& mapping, const std::string& gyre, const std::string& stored) {
  auto& recipes = mapping.recipes;
  recipes[gyre + "attn.norm_in.weight"] = {{stored + "n1.weight"}, {}};
  recipes[gyre + "attn.qkv.weight"] = {
      {stored + "attn.c_q.weight", stored + "attn.c_k.weight", stored + "attn.c_v.weight"},
      with_heads_turned(mapping.spec)};
  recipes[gyre + "attn.out.weight"] = {{stored + "attn.c_proj.weight"}, {}};
  recipes[gyre + "attn.norm_out.weight"] = {{stored + "n2.weight"}, {}};
  recipes[gyre + "mlp.norm_in.weight"] = {{stored + "n3.weight"}, {}};
  recipes[gyre + "mlp.up.weight"] = {{stored + "mlp.c_fc.weight"}, {}};
  recipes[gyre + "mlp.down.weight"] = {{stored + "mlp.c_proj.weight"}, {}};
  recipes[gyre + "mlp.norm_out.weight"] = {{stored + "n4.weight"}, {}};
}

Mapping map(const nlohmann::json& config, const TensorStore& /*tensors*/, const std::string& where) {
  Mapping mapping;
  mapping.spec = spec_of(config, where);
  auto& recipes = mapping.recipes;
  const auto columns = 2 * static_cast<std::size_t>(mapping.spec.hidden_size);
  // The vocabulary is padded to a multiple of 64 in the file.
  recipes["embed.weight"] = {{"transformer.wte.weight"}, arrange::first_rows()};
  recipes["head.weight"] = {{"lm_head.weight"}, arrange::first_rows()};
  recipes["embed_norm.weight"] = {{"norm_emb.weight"}, {}};
  recipes["groups.1.loop_norm.weight"] = {{"norm_recur.weight"}, {}};
  recipes["final_norm.weight"] = {{"norm_final.weight"}, {}};
  if (mapping.spec.groups[1].injection == Injection::linear) {
    recipes["groups.1.inject.weight"] = {{"inject.weight"}, arrange::halves_swapped(columns)};
  } else {
    mapping.unused = {"inject.weight"};
  }
  const char* const parts[] = {"prelude", "recur", "coda"};
  for (std::size_t g = 0; g < 3; ++g) {
    for (int l = 0; l < mapping.spec.groups[g].layers; ++l) {
      map_layer(mapping, fmt::format("groups.{}.layers.{}.", g, l), fmt::format("transformer.{}.{}.", parts[g], l));
    }
  }
  return mapping;
}

}  // namespace

Family family() {
  return {"nanochat", "looped nanochat", [](const nlohmann::json& config) { return config.contains("n_recur_block"); },
          keys(), map};
}

}  // namespace gyre::nanochat
