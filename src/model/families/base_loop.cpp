#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"
#include "model/families/prefix.hpp"

namespace gyre::base_loop {
namespace {

/// What torch's RMSNorm takes where it is given none: the smallest step of f32 at 1.
constexpr float kEps = 0x1p-23F;

ConfigKeys keys() {
  return {
      {"bias", "block_size", "hidden_size", "intermediate_dim", "max_model_loops", "max_position_embeddings", "n_embd",
       "n_head", "n_inner", "n_layer", "n_positions", "num_attention_heads", "num_hidden_layers", "vocab_size"},
      {},
      {{"tie_word_embeddings", "[true]"}},
      {}};
}

/// A number that has several names: those that are given have to agree.
int number_of(const nlohmann::json& config, std::initializer_list<const char*> names, int otherwise,
              const std::string& where) {
  const JsonObject object(config, where);
  std::string first;
  int number = otherwise;
  for (const char* const name : names) {
    if (!object.given(name)) continue;
    const int value = object.integer(name, 1, kMostSize);
    if (!first.empty() && value != number) {
      throw Error("{}: {} is {}, but {} is {}; the two name the same thing and have to agree", where, name, value,
                  first, number);
    }
    first = name;
    number = value;
  }
  if (number == 0) throw Error("{}: {} is missing", where, *names.begin());
  return number;
}

ModelSpec spec_of(const nlohmann::json& config, const std::string& where) {
  const JsonObject object(config, where);
  ModelSpec spec;
  spec.name = "base-loop";
  spec.vocab_size = object.integer("vocab_size", 1, kMostSize);
  spec.context = number_of(config, {"block_size", "n_positions", "max_position_embeddings"}, 0, where);
  spec.hidden_size = number_of(config, {"n_embd", "hidden_size"}, 0, where);
  spec.heads = spec.kv_heads = number_of(config, {"n_head", "num_attention_heads"}, 0, where);
  spec.head_size = whole_head_size(spec.hidden_size, "n_embd", spec.heads, "n_head", where);
  spec.ffn_size = number_of(config, {"intermediate_dim", "n_inner"}, 4 * spec.hidden_size, where);
  spec.norm_eps = spec.qk_norm_eps = kEps;
  spec.position = PositionKind::learned;
  spec.mlp = MlpKind::gelu;
  spec.biases = object.boolean("bias", false);
  spec.groups = {plain_group("layers", number_of(config, {"n_layer", "num_hidden_layers"}, 0, where))};
  spec.groups[0].loops = object.integer("max_model_loops", 1, kMostLoops, 8);
  return spec;
}

/// The plain baseline of LoopFormer (arXiv 2602.11451): all layers, eight times; matrices are stored [out, in].
Mapping map(const nlohmann::json& config, const TensorStore& tensors, const std::string& where) {
  Mapping mapping;
  mapping.spec = spec_of(config, where);
  auto& recipes = mapping.recipes;
  recipes["embed.weight"] = {{"transformer.wte.weight"}, {}};
  recipes["position.weight"] = {{"transformer.wpe.weight"}, {}};
  recipes["final_norm.weight"] = {{"transformer.norm_f.weight"}, {}};
  mapping.unused = {"lm_head.weight"};
  for (int l = 0; l < mapping.spec.groups[0].layers; ++l) {
    const std::string gyre = fmt::format("groups.0.layers.{}.", l);
    const std::string stored = fmt::format("transformer.h.blocks.{}.", l);
    recipes[gyre + "attn.norm_in.weight"] = {{stored + "norm_1.weight"}, {}};
    recipes[gyre + "mlp.norm_in.weight"] = {{stored + "norm_2.weight"}, {}};
    for (const auto& [name, part] : {std::pair{"attn.qkv", "attn.c_attn"}, std::pair{"attn.out", "attn.c_proj"},
                                     std::pair{"mlp.up", "mlp.c_fc"}, std::pair{"mlp.down", "mlp.c_proj"}}) {
      recipes[gyre + name + ".weight"] = {{stored + part + ".weight"}, {}};
      if (mapping.spec.biases) recipes[gyre + name + ".bias"] = {{stored + part + ".bias"}, {}};
    }
    mapping.unused.push_back(stored + "attn.bias");  // the causal mask, where torch had no fast attention
  }
  add_prefix(mapping, prefix_before(tensors, "transformer.wte.weight"));
  return mapping;
}

}  // namespace

Family family() {
  return {"base_loop", "LoopFormer's plain looped baseline",
          [](const nlohmann::json& config) { return is_type(config, "base_loop"); }, keys(), map};
}

}  // namespace gyre::base_loop
