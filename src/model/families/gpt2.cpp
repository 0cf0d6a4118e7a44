#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre {
namespace {

constexpr int kMost = 1 << 24;

ModelSpec spec_of(const nlohmann::json& config, const std::string& where) {
  const JsonObject object(config, where);
  if (const std::string act = object.text("activation_function", "gelu_new"); act != "gelu_new") {
    throw Error("{}: activation_function is \"{}\"; gyre does gelu_new in this family", where, act);
  }
  ModelSpec spec;
  spec.name = "gpt2";
  spec.vocab_size = object.integer("vocab_size", 1, kMost);
  spec.context = object.integer("n_positions", 1, kMost);
  spec.hidden_size = object.integer("n_embd", 1, kMost);
  spec.heads = spec.kv_heads = object.integer("n_head", 1, kMost);
  spec.head_size = spec.hidden_size / spec.heads;
  const auto inner = config.find("n_inner");
  const bool own_size = inner != config.end() && !inner->is_null();
  spec.ffn_size = own_size ? object.integer("n_inner", 1, kMost) : 4 * spec.hidden_size;
  spec.norm = NormKind::layer;
  spec.norm_eps = object.number("layer_norm_epsilon", 0, 1, 1e-5F);
  spec.position = PositionKind::learned;
  spec.mlp = MlpKind::gelu_tanh;
  spec.biases = true;
  spec.groups = {plain_group("layers", object.integer("n_layer", 1, kMostLoops))};
  return spec;
}

/// Matrices are stored [in, out]; each layer carries a causal mask.
Mapping map(const nlohmann::json& config, const TensorStore& tensors, const std::string& where) {
  Mapping mapping;
  mapping.spec = spec_of(config, where);
  const auto hidden = static_cast<std::size_t>(mapping.spec.hidden_size);
  const auto ffn = static_cast<std::size_t>(mapping.spec.ffn_size);
  const std::string top = tensors.has("transformer.wte.weight") ? "transformer." : "";
  auto& recipes = mapping.recipes;
  const auto norm = [&](const std::string& gyre, const std::string& stored) {
    for (const char* part : {".weight", ".bias"}) recipes[gyre + part] = {{stored + part}, {}};
  };
  const auto linear = [&](const std::string& gyre, const std::string& stored, std::size_t out) {
    recipes[gyre + ".weight"] = {{stored + ".weight"}, arrange::transposed(out)};
    recipes[gyre + ".bias"] = {{stored + ".bias"}, {}};
  };
  recipes["embed.weight"] = {{top + "wte.weight"}, {}};
  recipes["position.weight"] = {{top + "wpe.weight"}, {}};
  norm("final_norm", top + "ln_f");
  for (int l = 0; l < mapping.spec.groups[0].layers; ++l) {
    const std::string gyre = fmt::format("groups.0.layers.{}.", l);
    const std::string stored = fmt::format("{}h.{}.", top, l);
    norm(gyre + "attn.norm_in", stored + "ln_1");
    linear(gyre + "attn.qkv", stored + "attn.c_attn", 3 * hidden);
    linear(gyre + "attn.out", stored + "attn.c_proj", hidden);
    norm(gyre + "mlp.norm_in", stored + "ln_2");
    linear(gyre + "mlp.up", stored + "mlp.c_fc", ffn);
    linear(gyre + "mlp.down", stored + "mlp.c_proj", hidden);
    mapping.unused.push_back(stored + "attn.bias");
    mapping.unused.push_back(stored + "attn.masked_bias");
  }
  mapping.unused.emplace_back("lm_head.weight");
  return mapping;
}

}  // namespace

Family gpt2_family() {
  return {"gpt2", "GPT-2", [](const nlohmann::json& config) { return is_type(config, "gpt2"); }, map};
}

}  // namespace gyre
