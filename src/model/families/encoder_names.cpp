#include "model/families/encoder_names.hpp"

#include <nlohmann/json.hpp>

#include "base/enum_name.hpp"
#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"

namespace gyre {
namespace {

/// Activations by their names in transformers.
constexpr EnumName<MlpKind> kActivations[] = {{MlpKind::gelu, "gelu"},
                                              {MlpKind::gelu, "gelu_python"},
                                              {MlpKind::gelu_tanh, "gelu_new"},
                                              {MlpKind::gelu_tanh, "gelu_fast"},
                                              {MlpKind::gelu_tanh, "gelu_pytorch_tanh"}};

ModelSpec spec_of(const nlohmann::json& config, const EncoderNames& names, const std::string& where) {
  const JsonObject object(config, where);
  ModelSpec spec;
  spec.name = object.given("_name_or_path") ? object.text("_name_or_path") : names.name_of_model;
  spec.vocab_size = object.integer("vocab_size", 1, kMostSize);
  const int positions = object.integer("max_position_embeddings", 1, kMostSize);
  spec.context = positions - names.first_position;
  if (spec.context < 1) {
    throw Error("{}: max_position_embeddings is {}, of which the first {} belong to no text", where, positions,
                names.first_position);
  }
  spec.hidden_size = object.integer("hidden_size", 1, kMostSize);
  spec.heads = spec.kv_heads = object.integer("num_attention_heads", 1, kMostSize);
  spec.head_size = whole_head_size(spec.hidden_size, "hidden_size", spec.heads, "num_attention_heads", where);
  spec.ffn_size = object.integer("intermediate_size", 1, kMostSize);
  spec.norm = NormKind::layer;
  spec.norm_placement = NormPlacement::post;
  spec.norm_eps = object.number("layer_norm_eps", 0, 1, 1e-12F);
  spec.qk_norm_eps = spec.norm_eps;
  spec.final_norm = false;
  spec.embedding_norm = true;
  spec.position = PositionKind::learned;
  spec.mlp = parse_enum<MlpKind>(kActivations, object.text("hidden_act", "gelu"), where + ": hidden_act",
                                 "activation that gyre does in this family");
  spec.biases = true;
  spec.encoder = true;
  spec.groups = {plain_group("layers", object.integer("num_hidden_layers", 1, kMostLoops))};
  return spec;
}

/// A map or norm of gyre's, with its bias, is one of the checkpoint, or several stacked.
void map_both(Mapping& mapping, const std::string& gyre_name, const std::vector<std::string>& stored) {
  for (const char* const part : {".weight", ".bias"}) {
    std::vector<std::string> parts;
    for (const std::string& name : stored) parts.push_back(name + part);
    mapping.recipes[gyre_name + part] = {std::move(parts), {}};
  }
}

void map_layer(Mapping& mapping, int index, const std::string& top) {
  const std::string gyre = fmt::format("groups.0.layers.{}.", index);
  const std::string stored = fmt::format("{}encoder.layer.{}.", top, index);
  const std::string self = stored + "attention.self.";
  map_both(mapping, gyre + "attn.qkv", {self + "query", self + "key", self + "value"});
  map_both(mapping, gyre + "attn.out", {stored + "attention.output.dense"});
  map_both(mapping, gyre + "attn.norm_out", {stored + "attention.output.LayerNorm"});
  map_both(mapping, gyre + "mlp.up", {stored + "intermediate.dense"});
  map_both(mapping, gyre + "mlp.down", {stored + "output.dense"});
  map_both(mapping, gyre + "mlp.norm_out", {stored + "output.LayerNorm"});
}

/// What stands behind the states, and buffers that programs of other versions saved.
void add_unused(Mapping& mapping, const std::string& top) {
  for (const char* const name :
       {"embeddings.position_ids", "embeddings.token_type_ids", "pooler.dense.weight", "pooler.dense.bias"}) {
    mapping.unused.push_back(top + name);
  }
  for (const char* const name :
       {"cls.predictions.bias", "cls.predictions.transform.dense.weight", "cls.predictions.transform.dense.bias",
        "cls.predictions.transform.LayerNorm.weight", "cls.predictions.transform.LayerNorm.bias",
        "cls.predictions.decoder.weight", "cls.predictions.decoder.bias", "cls.seq_relationship.weight",
        "cls.seq_relationship.bias", "lm_head.bias", "lm_head.dense.weight", "lm_head.dense.bias",
        "lm_head.layer_norm.weight", "lm_head.layer_norm.bias", "lm_head.decoder.weight", "lm_head.decoder.bias"}) {
    mapping.unused.emplace_back(name);
  }
}

}  // namespace

const ConfigKeys& encoder_keys() {
  static const ConfigKeys keys = {
      {"vocab_size", "max_position_embeddings", "hidden_size", "num_attention_heads", "intermediate_size",
       "num_hidden_layers", "layer_norm_eps", "hidden_act", "type_vocab_size"},
      // The pooler and the head, neither of which runs.
      {"directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head",
       "pooler_type", "tie_word_embeddings"},
      {{"position_embedding_type", "[\"absolute\"]"}, {"is_decoder", "[false]"}},
      {}};
  return keys;
}

Mapping encoder_mapping(const nlohmann::json& config, const TensorStore& tensors, const EncoderNames& names,
                        const std::string& where) {
  const JsonObject object(config, where);
  Mapping mapping;
  mapping.spec = spec_of(config, names, where);
  static_cast<void>(object.integer("type_vocab_size", 1, kMostSize, 2));  // texts are of the first type
  const std::string top = tensors.has(names.top + "embeddings.word_embeddings.weight") ? names.top : "";
  const auto hidden = static_cast<std::size_t>(mapping.spec.hidden_size);
  mapping.recipes["embed.weight"] = {{top + "embeddings.word_embeddings.weight"}, {}};
  mapping.recipes["position.weight"] = {
      {top + "embeddings.position_embeddings.weight", top + "embeddings.token_type_embeddings.weight"},
      arrange::rows_plus_first(hidden, static_cast<std::size_t>(names.first_position))};
  map_both(mapping, "embed_norm", {top + "embeddings.LayerNorm"});
  for (int l = 0; l < mapping.spec.groups[0].layers; ++l) map_layer(mapping, l, top);
  add_unused(mapping, top);
  return mapping;
}

}  // namespace gyre
