#include "model/families/raven.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre::raven {
namespace {

Blocks blocks_of(const TensorStore& tensors) {
  if (tensors.has("transformer.core_block.0.norm_3.weight")) return Blocks::huginn;
  return tensors.has("transformer.core_block.0.attn.q_norm.weight") ? Blocks::olmo2 : Blocks::llama;
}

ConfigKeys keys() {
  return {{"block_size",
           "head_dim",
           "init_values",
           "initial_state_mode",
           "intermediate_size",
           "mean_recurrence",
           "n_embd",
           "n_heads",
           "n_layers_in_coda",
           "n_layers_in_prelude",
           "n_layers_in_recurrent_block",
           "norm_eps",
           "num_key_value_heads",
           "padded_vocab_size",
           "qk_bias",
           "rope_base",
           "rope_parameters",
           "rope_scaling",
           "rope_theta",
           "tie_embeddings"},
          // Names, training, and numbers that follow from others.
          {"activation_checkpoint_impl", "architecture_class_name", "effective_expected_depth", "hf_config",
           "init_orthogonal", "init_strategy", "max_position_embeddings", "mean_backprop_depth", "n_layers", "name",
           "num_hidden_layers", "padding_multiple", "sampling_scheme", "test_time_noise_type", "vocab_size"},
          {{"bias", "[false]"},
           {"block_class_name", R"(["SandwichBlock"])"},
           {"injection_type", R"(["linear"])"},
           {"mlp_class_name", R"(["GatedMLP"])"},
           {"nonlin_name", R"(["SiLU"])"},
           {"norm_class_name", R"(["RMSNorm_llama"])"},
           {"state_init", R"(["like-init"])", "set it so and choose the first state of a run instead"},
           {"test_time_noise", "[0]", "set it to 0 and choose the test noise of a run instead"}},
          {{"hidden_size", "n_embd"}, {"num_attention_heads", "n_heads"}, {"tie_word_embeddings", "tie_embeddings"}}};
}

/// The scales of init_values, of which two are read when a model runs.
struct Scales {
  float std = 0;
  float embedding = 1;
};

Scales scales_of(const JsonObject& object, bool huginn, int hidden, const std::string& where) {
  const auto width = static_cast<float>(hidden);
  Scales scales{std::sqrt(2.0F / (5.0F * width)), huginn ? std::sqrt(width) : 1.0F};
  if (!object.given("init_values")) return scales;
  const JsonObject values = object.object("init_values");
  values.allow({"std", "embed_scale", "embedding", "out_proj"});
  scales.std = values.number("std", 0, 1e3, scales.std);
  const float given = values.number("embed_scale", 0, 1e6, scales.embedding);
  if (huginn && std::abs(given - scales.embedding) > 1e-3F * scales.embedding) {
    throw Error("{}: init_values: embed_scale is {}; Huginn's is the root of n_embd, {}", where, given,
                scales.embedding);
  }
  scales.embedding = given;
  return scales;
}

/// How the core of a retrofit begins (LoopedLMs/retrofitting-recurrence): from noise, or from the prelude's output, in
/// "skip-adapter" without the adapter in the first loop. The program of the retrofitted OLMo 2 alone reads the key.
void set_first_state(Group& core, const JsonObject& object, Blocks blocks, const std::string& where) {
  const std::string mode = object.given("initial_state_mode") ? object.text("initial_state_mode") : "random";
  if (mode == "random") return;
  if (mode != "embed-init" && mode != "skip-adapter") {
    throw Error("{}: initial_state_mode is \"{}\"; gyre does random, embed-init and skip-adapter", where, mode);
  }
  if (blocks != Blocks::olmo2) {
    throw Error(
        "{}: initial_state_mode is \"{}\", which its authors' program reads in retrofits of OLMo 2 alone; set it to "
        "\"random\", as this model is run",
        where, mode);
  }
  core.first_state = FirstState::carried;
  core.noise_std = Group().noise_std;
  core.bare_first_loop = mode == "skip-adapter";
}

std::vector<Group> groups_of(const JsonObject& object, Blocks blocks, const Scales& scales, const std::string& where) {
  Group core = plain_group("core", object.integer("n_layers_in_recurrent_block", 1, kMostLoops));
  core.loops = object.integer("mean_recurrence", 1, kMostLoops);
  core.injection = Injection::linear;
  core.first_state = FirstState::noise;
  core.noise_std = scales.std * scales.embedding;
  core.exit_norm = blocks == Blocks::huginn;  // ln_f stands before the coda and again after it
  set_first_state(core, object, blocks, where);
  return {plain_group("prelude", object.integer("n_layers_in_prelude", 1, kMostLoops)), core,
          plain_group("coda", object.integer("n_layers_in_coda", 1, kMostLoops))};
}

/// Huginn rotates by rope_base; a retrofit as the model it was made of.
void set_rotation(ModelSpec& spec, const nlohmann::json& config, bool huginn, const std::string& where) {
  const JsonObject object(config, where);
  const float base = object.number("rope_base", 1, 1e12, 50000.0F);
  spec.position = huginn ? PositionKind::rotary_adjacent : PositionKind::rotary_half;
  read_rotation(config, spec, where, PartialRotation::refused, base);
  if (object.given("rope_base") && spec.rotary_theta != base) {
    throw Error("{}: rope_base is {}, but rope_theta is {}; the two name the same thing and have to agree", where, base,
                spec.rotary_theta);
  }
  if (huginn && (!spec.rotary_divisors.empty() || spec.rotary_context > 0))
    throw Error("{}: rope_scaling is set; Huginn's rotation has none", where);
}

ModelSpec spec_of(const nlohmann::json& config, Blocks blocks, const std::string& where) {
  const JsonObject object(config, where);
  const bool huginn = blocks == Blocks::huginn;
  ModelSpec spec;
  spec.name = huginn ? "huginn" : "retrofit";
  spec.vocab_size = object.integer("padded_vocab_size", 1, kMostSize);
  spec.context = object.integer("block_size", 1, kMostSize);
  spec.hidden_size = object.integer("n_embd", 1, kMostSize);
  spec.heads = object.integer("n_heads", 1, kMostSize);
  spec.kv_heads = object.integer("num_key_value_heads", 1, kMostSize, spec.heads);
  spec.head_size = object.given("head_dim") ? object.integer("head_dim", 1, kMostSize)
                                            : whole_head_size(spec.hidden_size, "n_embd", spec.heads, "n_heads", where);
  spec.ffn_size = object.integer("intermediate_size", 1, kMostSize);
  spec.norm_eps = spec.qk_norm_eps = object.number("norm_eps", 0, 1, 1e-6F);
  set_rotation(spec, config, huginn, where);
  spec.qkv_biases = object.boolean("qk_bias", true);
  spec.tied_head = object.boolean("tie_embeddings", true);
  if (huginn) spec.norm_placement = NormPlacement::sandwich;
  if (blocks == Blocks::olmo2) {
    spec.norm_placement = NormPlacement::post_branch;
    spec.qk_norm = QkNorm::full;
  }
  const Scales scales = scales_of(object, huginn, spec.hidden_size, where);
  spec.embedding_scale = scales.embedding;
  spec.groups = groups_of(object, blocks, scales, where);
  require_heads_alike(spec, where);
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
  return mapping(spec_of(config, blocks, where), blocks);
}

}  // namespace

void require_heads_alike(const ModelSpec& spec, const std::string& where) {
  if (!spec.qkv_biases || spec.kv_heads == spec.heads) return;
  throw Error("{}: qk_bias is true, but num_key_value_heads is {} of {}; gyre does it with as many heads for keys",
              where, spec.kv_heads, spec.heads);
}

Mapping mapping(ModelSpec spec, Blocks blocks) {
  Mapping mapping;
  mapping.spec = std::move(spec);
  auto& recipes = mapping.recipes;
  recipes["embed.weight"] = {{"transformer.wte.weight"}, {}};
  if (mapping.spec.groups[1].injection == Injection::linear) {
    recipes["groups.1.inject.weight"] = {{"transformer.adapter.weight"}, {}};
  }
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

Family family() {
  return {"raven", "Huginn-0125, and Llama, TinyLlama and OLMo 2 retrofitted with recurrence",
          [](const nlohmann::json& config) { return is_type(config, "huginn_raven"); }, keys(), map};
}

}  // namespace gyre::raven
