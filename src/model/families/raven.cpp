#include <cmath>
#include <nlohmann/json.hpp>

#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre {
namespace {

constexpr int kMost = 1 << 24;

/// The blocks under raven's names: Huginn's own, or those of the model that was retrofitted (arXiv 2511.07384).
enum class Blocks { huginn, llama, olmo2 };

Blocks blocks_of(const TensorStore& tensors) {
  if (tensors.has("transformer.core_block.0.norm_3.weight")) return Blocks::huginn;
  return tensors.has("transformer.core_block.0.attn.q_norm.weight") ? Blocks::olmo2 : Blocks::llama;
}

std::vector<Group> groups_of(const JsonObject& object, bool huginn, float embedding_scale) {
  Group core = plain_group("core", object.integer("n_layers_in_recurrent_block", 1, kMostLoops));
  core.loops = object.integer("mean_recurrence", 1, kMostLoops);
  core.injection = Injection::linear;
  core.first_state = FirstState::noise;
  const float hidden = static_cast<float>(object.integer("n_embd", 1, kMost));
  float std = std::sqrt(2.0F / (5.0F * hidden));
  if (object.has("init_values")) std = object.object("init_values").number("std", 0, 1e3, std);
  core.noise_std = std * embedding_scale;
  core.exit_norm = huginn;  // ln_f stands before the coda and again after it
  return {plain_group("prelude", object.integer("n_layers_in_prelude", 1, kMostLoops)), core,
          plain_group("coda", object.integer("n_layers_in_coda", 1, kMostLoops))};
}

ModelSpec spec_of(const nlohmann::json& config, Blocks blocks, const std::string& where) {
  const JsonObject object(config, where);
  const bool huginn = blocks == Blocks::huginn;
  ModelSpec spec;
  spec.name = huginn ? "huginn" : "retrofit";
  spec.vocab_size = object.integer("padded_vocab_size", 1, kMost);
  spec.context = object.integer("block_size", 1, kMost);
  spec.hidden_size = object.integer("n_embd", 1, kMost);
  spec.heads = object.integer("n_heads", 1, kMost);
  spec.kv_heads = object.integer("num_key_value_heads", 1, kMost, spec.heads);
  spec.head_size = object.integer("head_dim", 1, kMost, spec.hidden_size / spec.heads);
  spec.ffn_size = object.integer("intermediate_size", 1, kMost);
  spec.norm_eps = spec.qk_norm_eps = object.number("norm_eps", 0, 1, 1e-6F);
  spec.position = huginn ? PositionKind::rotary_adjacent : PositionKind::rotary_half;
  spec.rotary_theta = rotary_theta(config, object.number("rope_base", 1, 1e12, 50000.0F), where);
  if (!huginn) spec.rotary_divisors = rotary_divisors(config, spec.rotary_theta, spec.head_size, where);
  spec.qkv_biases = object.boolean("qk_bias", huginn);
  spec.tied_head = object.boolean("tie_embeddings", huginn);
  switch (blocks) {
    case Blocks::huginn:
      spec.norm_placement = NormPlacement::sandwich;
      spec.embedding_scale = std::sqrt(static_cast<float>(spec.hidden_size));
      break;
    case Blocks::llama:
      break;
    case Blocks::olmo2:
      spec.norm_placement = NormPlacement::post_branch;
      spec.qk_norm = QkNorm::full;
      break;
  }
  if (object.has("init_values")) {
    spec.embedding_scale = object.object("init_values").number("embed_scale", 0, 1e6, spec.embedding_scale);
  }
  spec.groups = groups_of(object, huginn, spec.embedding_scale);
  return spec;
}

void map_layer(Mapping& mapping, Blocks blocks, const std::string& gyre, const std::string& stored) {
  auto& recipes = mapping.recipes;
  const auto same = [&](const std::string& to, const std::string& from) {
    recipes[gyre + to + ".weight"] = {{stored + from + ".weight"}, {}};
  };
  same("attn.qkv", "attn.Wqkv");
  same("attn.out", "attn.proj");
  same("mlp.up", "mlp.fc");
  same("mlp.down", "mlp.proj");
  if (mapping.spec.qkv_biases) recipes[gyre + "attn.qkv.bias"] = {{stored + "attn.qk_bias"}, arrange::zeros_behind()};
  switch (blocks) {
    case Blocks::huginn:
      same("attn.norm_in", "norm_1");
      same("attn.norm_out", "norm_2");
      same("mlp.norm_in", "norm_3");
      same("mlp.norm_out", "norm_4");
      return;
    case Blocks::llama:
      same("attn.norm_in", "norm_1");
      same("mlp.norm_in", "norm_2");
      return;
    case Blocks::olmo2:
      same("attn.q_norm", "attn.q_norm");
      same("attn.k_norm", "attn.k_norm");
      same("attn.norm_out", "norm_1");
      same("mlp.norm_out", "norm_2");
      return;
  }
}

Mapping map(const nlohmann::json& config, const TensorStore& tensors, const std::string& where) {
  const Blocks blocks = blocks_of(tensors);
  Mapping mapping;
  mapping.spec = spec_of(config, blocks, where);
  auto& recipes = mapping.recipes;
  recipes["embed.weight"] = {{"transformer.wte.weight"}, {}};
  recipes["groups.1.inject.weight"] = {{"transformer.adapter.weight"}, {}};
  recipes["final_norm.weight"] = {{"transformer.ln_f.weight"}, {}};
  if (blocks == Blocks::huginn) recipes["groups.1.exit_norm.weight"] = {{"transformer.ln_f.weight"}, {}};
  if (!mapping.spec.tied_head) recipes["head.weight"] = {{"lm_head.weight"}, {}};
  mapping.unused = {"lm_head.weight", "freqs_cis"};
  const char* const parts[] = {"prelude", "core_block", "coda"};
  for (std::size_t g = 0; g < 3; ++g) {
    for (int l = 0; l < mapping.spec.groups[g].layers; ++l) {
      map_layer(mapping, blocks, fmt::format("groups.{}.layers.{}.", g, l),
                fmt::format("transformer.{}.{}.", parts[g], l));
    }
  }
  return mapping;
}

}  // namespace

Family raven_family() {
  return {"raven", "Huginn-0125, and Llama, TinyLlama and OLMo 2 retrofitted with recurrence",
          [](const nlohmann::json& config) { return is_type(config, "huginn_raven"); }, map};
}

}  // namespace gyre
