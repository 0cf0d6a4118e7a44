#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"
#include "model/families/prefix.hpp"
#include "model/families/recpre.hpp"

namespace gyre::attractor {
namespace {

ConfigKeys keys() {
  return {{"block_size",
           "gamma_max",
           "init_strategy",
           "intermediate_size",
           "layer_scale_init",
           "logit_softcap",
           "max_iter",
           "min_iter",
           "model_class_name",
           "n_backbone_layers",
           "n_embd",
           "n_fp_blocks",
           "name",
           "nonlin_name",
           "norm_class_name",
           "norm_eps",
           "num_attention_heads",
           "num_key_value_heads",
           "padded_vocab_size",
           "qk_norm",
           "rope_settings",
           "solver",
           "tie_embeddings",
           "tol"},
          // Training, and what Anderson's mixing alone reads.
          {"activation_checkpoint_impl", "adjoint_grad_clip", "anderson_beta", "anderson_m", "backward_max_iter",
           "backward_min_iter", "backward_tol", "backward_type", "fp_lr_scale", "fp_wd", "hf_config", "init",
           "init_orthogonal", "padding_multiple", "randomize_positions_from", "skip_initialization", "strategy",
           "use_fused_head", "vocab_size"},
          {{"attn_impl", R"(["flash", "sdpa"])"},
           {"bias", "[false]"},
           {"block_class_name", R"(["TransformerPreNormBlock"])"},
           {"causal", "[true]"},
           {"center_attention", "[false]"},
           {"clip_qkv", "[]"},
           {"debias_attention", "[false]"},
           {"mlp_class_name", R"(["BaseMLP"])"},
           {"mup_model_scaling_factor", "[1]"},
           {"qk_bias", "[false]"},
           {"simple_ops", "[false]"},
           {"use_abacus", "[false]"}},
          {{"recurrent_embedding_dimension", "n_embd"}}};
}

/// With Anderson's mixing a loop starts from a mixture of earlier ones whose weights a whole text shares.
void require_plain_iteration(const JsonObject& object, const std::string& where) {
  const std::string solver = object.text("solver", "anderson");
  if (solver == "fpi") return;
  throw Error(
      "{}: solver is \"{}\"; gyre does \"fpi\", plain iteration, alone: set it so for the same fixed point by more "
      "loops, as the authors' program then runs it too",
      where, solver);
}

ModelSpec spec_of(const nlohmann::json& config, const std::string& where) {
  const JsonObject object(config, where);
  require_plain_iteration(object, where);
  require_name(object, "norm_class_name", "RMSNorm", where);
  require_name(object, "nonlin_name", "ReLU2", where);
  ModelSpec spec = recpre_sizes(object, "attractor", where);
  spec.mlp = MlpKind::relu_squared;
  spec.tied_head = object.boolean("tie_embeddings", true);
  if (object.given("logit_softcap")) spec.logit_softcap = object.number("logit_softcap", 1e-6, 1e6);
  Group loop = plain_group("loop", object.integer("n_fp_blocks", 1, kMostLoops, 1));
  loop.loops = object.integer("max_iter", 1, kMostLoops, 12);
  loop.injection = Injection::add;
  loop.minus_state = true;
  spec.groups = {plain_group("prelude", object.integer("n_backbone_layers", 1, kMostLoops, 6)), loop};
  return spec;
}

/// The branches of the loop are scaled by γ = gamma_max · σ(raw) a channel, which goes into the rows of their last
/// maps.
void map_layer(Mapping& mapping, const std::string& gyre, const std::string& stored, bool scaled, float most) {
  auto& recipes = mapping.recipes;
  const auto hidden = static_cast<std::size_t>(mapping.spec.hidden_size);
  const auto ffn = static_cast<std::size_t>(mapping.spec.ffn_size);
  recipes[gyre + "attn.norm_in.weight"] = {{stored + "norm_1.weight"}, {}};
  recipes[gyre + "attn.qkv.weight"] = {
      {stored + "attn.c_q.weight", stored + "attn.c_k.weight", stored + "attn.c_v.weight"}, {}};
  recipes[gyre + "mlp.norm_in.weight"] = {{stored + "norm_2.weight"}, {}};
  recipes[gyre + "mlp.up.weight"] = {{stored + "mlp.fc.weight"}, {}};
  Recipe out = {{stored + "attn.c_proj.weight"}, {}};
  Recipe down = {{stored + "mlp.proj.weight"}, arrange::scaled(0.5F)};  // the published ReLU2 is relu(x)² / 2
  if (scaled) {
    out = {{out.parts.front(), stored + "raw_gamma_attn"}, arrange::rows_by_sigmoid(hidden, most)};
    down = {{down.parts.front(), stored + "raw_gamma_mlp"}, arrange::rows_by_sigmoid(ffn, 0.5F * most)};
  }
  recipes[gyre + "attn.out.weight"] = std::move(out);
  recipes[gyre + "mlp.down.weight"] = std::move(down);
}

/// y ← F(y + c) − y, c being the prelude's output and the first y: arXiv 2605.12466, solver fpi.
Mapping map(const nlohmann::json& config, const TensorStore& tensors, const std::string& where) {
  const JsonObject object(config, where);
  Mapping mapping;
  mapping.spec = spec_of(config, where);
  mapping.recipes["embed.weight"] = {{"transformer.wte.weight"}, {}};
  mapping.recipes["final_norm.weight"] = {{"transformer.ln_f.weight"}, {}};
  mapping.unused = {"freqs_cis"};
  if (mapping.spec.tied_head) {
    mapping.unused.emplace_back("lm_head.weight");
  } else {
    mapping.recipes["head.weight"] = {{"lm_head.weight"}, {}};
  }
  const bool scaled = !object.has("layer_scale_init") || object.given("layer_scale_init");
  const float most = object.number("gamma_max", 0, 1e6, 1.0F);
  const char* const parts[] = {"prelude", "core_block"};
  for (std::size_t g = 0; g < 2; ++g) {
    for (int l = 0; l < mapping.spec.groups[g].layers; ++l) {
      map_layer(mapping, fmt::format("groups.{}.layers.{}.", g, l), fmt::format("transformer.{}.{}.", parts[g], l),
                g == 1 && scaled, most);
    }
  }
  add_prefix(mapping, prefix_before(tensors, "transformer.wte.weight"));
  const float tolerance = object.number("tol", 0, 1e6, 1e-3F);
  if (tolerance > 0) {
    mapping.notes.push_back(
        fmt::format("its authors' program ends a text's loops when its state moves by less than {} of its size "
                    "(tol), after {} at least; here all {} loops run unless an exit ends them, as in "
                    "latent-diff:tau={},min={}",
                    tolerance, object.integer("min_iter", 0, kMostLoops, 0), mapping.spec.groups[1].loops, tolerance,
                    std::max(1, object.integer("min_iter", 0, kMostLoops, 0))));
  }
  return mapping;
}

}  // namespace

Family family() {
  return {"attractor", "Attractor 140M to 1.3B, by plain iteration",
          [](const nlohmann::json& config) { return is_class(config, "Attractor"); }, keys(), map};
}

}  // namespace gyre::attractor
