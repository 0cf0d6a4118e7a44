#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre::gpt2 {
namespace {

ConfigKeys keys() {
  return {{"activation_function", "layer_norm_epsilon", "n_embd", "n_head", "n_inner", "n_layer", "n_positions",
           "scale_attn_by_inverse_layer_idx", "scale_attn_weights", "tie_word_embeddings", "vocab_size"},
          // The order of operations and their type; a length that n_positions took over; heads of other tasks.
          {"n_ctx", "predict_special_tokens", "reorder_and_upcast_attn", "summary_activation", "summary_proj_to_labels",
           "summary_type", "summary_use_proj"},
          {},
          {{"hidden_size", "n_embd"},
           {"max_position_embeddings", "n_positions"},
           {"num_attention_heads", "n_head"},
           {"num_hidden_layers", "n_layer"}}};
}

/// gelu_new, gelu_fast and gelu_pytorch_tanh are one formula.
MlpKind activation_of(const JsonObject& object, const std::string& where) {
  const std::string act = object.text("activation_function", "gelu_new");
  if (act == "gelu" || act == "gelu_python") return MlpKind::gelu;
  if (act == "gelu_new" || act == "gelu_fast" || act == "gelu_pytorch_tanh") return MlpKind::gelu_tanh;
  throw Error("{}: activation_function is \"{}\"; gyre does gelu_new and gelu in this family", where, act);
}

ModelSpec spec_of(const nlohmann::json& config, const std::string& where) {
  const JsonObject object(config, where);
  ModelSpec spec;
  spec.name = "gpt2";
  spec.vocab_size = object.integer("vocab_size", 1, kMostSize);
  spec.context = object.integer("n_positions", 1, kMostSize);
  spec.hidden_size = object.integer("n_embd", 1, kMostSize);
  spec.heads = spec.kv_heads = object.integer("n_head", 1, kMostSize);
  spec.head_size = whole_head_size(spec.hidden_size, "n_embd", spec.heads, "n_head", where);
  spec.ffn_size = object.given("n_inner") ? object.integer("n_inner", 1, kMostSize) : 4 * spec.hidden_size;
  spec.norm = NormKind::layer;
  spec.norm_eps = object.number("layer_norm_epsilon", 0, 1, 1e-5F);
  spec.position = PositionKind::learned;
  spec.mlp = activation_of(object, where);
  spec.biases = true;
  spec.tied_head = object.boolean("tie_word_embeddings", true);
  spec.groups = {plain_group("layers", object.integer("n_layer", 1, kMostLoops))};
  return spec;
}

/// What the queries of a layer are multiplied by, so that scores that are always divided by √head_size come out as the
/// file's switches have them.
float query_scale(const JsonObject& object, int head_size, int layer) {
  float scale = 1;
  if (!object.boolean("scale_attn_weights", true)) scale *= std::sqrt(static_cast<float>(head_size));
  if (object.boolean("scale_attn_by_inverse_layer_idx", false)) scale /= static_cast<float>(layer + 1);
  return scale;
}

/// Matrices are stored [in, out]; each layer carries a causal mask.
Mapping map(const nlohmann::json& config, const TensorStore& tensors, const std::string& where) {
  const JsonObject object(config, where);
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
    const float scale = query_scale(object, mapping.spec.head_size, l);
    recipes[gyre + "attn.qkv.weight"] = {{stored + "attn.c_attn.weight"},
                                         arrange::transposed(3 * hidden, hidden, scale)};
    recipes[gyre + "attn.qkv.bias"] = {{stored + "attn.c_attn.bias"}, arrange::first_scaled(hidden, scale)};
    linear(gyre + "attn.out", stored + "attn.c_proj", hidden);
    norm(gyre + "mlp.norm_in", stored + "ln_2");
    linear(gyre + "mlp.up", stored + "mlp.c_fc", ffn);
    linear(gyre + "mlp.down", stored + "mlp.c_proj", hidden);
    mapping.unused.push_back(stored + "attn.bias");
    mapping.unused.push_back(stored + "attn.masked_bias");
  }
  if (mapping.spec.tied_head) {
    mapping.unused.emplace_back("lm_head.weight");
  } else {
    recipes["head.weight"] = {{"lm_head.weight"}, {}};
  }
  return mapping;
}

}  // namespace

Family family() {
  return {"gpt2", "GPT-2", [](const nlohmann::json& config) { return is_type(config, "gpt2"); }, keys(), map};
}

}  // namespace gyre::gpt2
