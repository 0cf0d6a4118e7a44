#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"
#include "model/families/prefix.hpp"
#include "model/families/raven.hpp"
#include "model/families/recpre.hpp"

namespace gyre::raven_training {
namespace {

/// The fields of RecurrentConfig in recpre/config_dynamic.py, which train.py writes as model_config.json.
ConfigKeys keys() {
  return {{"architecture_class_name",
           "block_class_name",
           "block_size",
           "init_strategy",
           "injection_type",
           "intermediate_size",
           "mean_recurrence",
           "mlp_class_name",
           "n_embd",
           "n_layers_in_coda",
           "n_layers_in_prelude",
           "n_layers_in_recurrent_block",
           "name",
           "nonlin_name",
           "norm_class_name",
           "norm_eps",
           "num_attention_heads",
           "num_key_value_heads",
           "padded_vocab_size",
           "qk_bias",
           "qk_norm",
           "rope_settings",
           "state_init",
           "tie_embeddings",
           "use_fused_head"},
          {"abacus_ids",
           "activation_checkpoint_impl",
           "elbayad_exponent",
           "elbayad_weighing",
           "geom_noise_injection",
           "hf_config",
           "init_orthogonal",
           "lm_head_bias",
           "lockstep_k",
           "lockstep_n",
           "loss_shape",
           "mcleish_throttle",
           "mean_backprop_depth",
           "mod_capacity_factor",
           "normalize_rec",
           "padding_multiple",
           "randomize_embed_step",
           "randomize_positions_from",
           "sampling_scheme",
           "seers",
           "skip_initialization",
           "strategy",
           "vocab_size"},
          {{"attn_impl", R"(["sdpa", "amd", "openai", "triton-kernels", "mosaic", "tridao"])"},
           {"bias", "[false]"},
           {"center_attention", "[false]"},
           {"clip_qkv", "[]"},
           {"debias_attention", "[false]"},
           {"embed_step", "[false]"},
           {"intermediate_noise_injection", "[0]", "set it to 0 and choose the test noise of a run instead"},
           {"mup_model_scaling_factor", "[1]"},
           {"simple_ops", "[false]"},
           {"use_abacus", "[false]"}},
          {}};
}

/// These heads keep their matrix the other way round, or are no plain matrix, unless it is the embedding.
void require_plain_head(const JsonObject& object, bool tied, const std::string& where) {
  const std::string head = object.text("use_fused_head", "pytorch");
  if (tied || head == "pytorch" || head == "cce") return;
  throw Error("{}: use_fused_head is \"{}\" and tie_embeddings is false; gyre does pytorch and cce there", where, head);
}

Group core_of(const JsonObject& object, const ModelSpec& spec, const std::string& where) {
  Group core = plain_group("core", object.integer("n_layers_in_recurrent_block", 1, kMostLoops, 4));
  core.loops = object.integer("mean_recurrence", 1, kMostLoops, 32);
  const std::string injection = object.text("injection_type", "add");
  if (injection != "linear" && injection != "add") {
    throw Error("{}: injection_type is \"{}\"; gyre does linear and add in this family", where, injection);
  }
  core.injection = injection == "linear" ? Injection::linear : Injection::add;
  set_first_state(core, object, spec, where);
  core.exit_norm = true;  // ln_f stands before the coda and again after it
  return core;
}

ModelSpec spec_of(const nlohmann::json& config, const std::string& where) {
  const JsonObject object(config, where);
  require_name(object, "block_class_name", "SandwichBlock", where);
  require_name(object, "norm_class_name", "RMSNorm_llama", where);
  require_name(object, "mlp_class_name", "GatedMLP", where);
  require_name(object, "nonlin_name", "SiLU", where);
  ModelSpec spec = recpre_sizes(object, "raven", where);
  spec.norm_placement = NormPlacement::sandwich;
  spec.qkv_biases = object.boolean("qk_bias", false);
  spec.tied_head = object.boolean("tie_embeddings", false);
  require_plain_head(object, spec.tied_head, where);
  spec.groups = {plain_group("prelude", object.integer("n_layers_in_prelude", 1, kMostLoops, 1)),
                 core_of(object, spec, where),
                 plain_group("coda", object.integer("n_layers_in_coda", 1, kMostLoops, 1))};
  raven::require_heads_alike(spec, where);
  return spec;
}

Mapping map(const nlohmann::json& config, const TensorStore& tensors, const std::string& where) {
  Mapping mapping = raven::mapping(spec_of(config, where), raven::Blocks::huginn);
  add_prefix(mapping, prefix_before(tensors, "transformer.wte.weight"));
  return mapping;
}

bool matches(const nlohmann::json& config) {
  const auto name = config.find("architecture_class_name");
  return name != config.end() && *name == "RecurrentGPT" && !config.contains("model_type") &&
         !config.contains("model_class_name");
}

}  // namespace

Family family() {
  return {"raven_training", "Huginn as the code that trains it writes it (seal-rg/recurrent-pretraining)", matches,
          keys(), map};
}

}  // namespace gyre::raven_training
