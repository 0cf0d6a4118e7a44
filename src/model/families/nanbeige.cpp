#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre::nanbeige {
namespace {

/// The published configuration names switches that Nanbeige 4.2 leaves off: n-gram embeddings, loops over some layers
/// only, hyper-connections, attention over depth.
ConfigKeys keys() {
  return decoder_keys() + bias_keys() +
         ConfigKeys{{"num_loops", "loop_loss_weights", "skip_loop_final_norm"},
                    // Read where a switch below is on.
                    {"depth_attention_static_anchor_once", "loop_middle_repeats", "mhc_init_gating_factor",
                     "mhc_sinkhorn_iterations", "num_residual_streams"},
                    {{"depth_attention_recent_window", "[0]"},
                     {"depth_attention_stride", "[]"},
                     {"emb_neighbor_num", "[]"},
                     {"emb_split_num", "[]"},
                     {"emb_tp_num", "[]"},
                     {"enable_depth_attention", "[false]"},
                     {"enable_double_loop_split", "[false]"},
                     {"enable_h_res_identity", "[false]"},
                     {"enable_hyper_connection", "[false]"},
                     {"enable_mhc", "[false]"},
                     {"insert_ngram_layer_idx", "[[]]"},
                     {"loop_middle_layers", "[]"},
                     {"loop_share_kv", "[false]"},
                     {"mhc_diff_for_loop", "[false]"},
                     {"mhc_double_stream_position_for_loop", "[]"},
                     {"mhc_identity_nohresparam", "[false]"},
                     {"ngram_compressed_tokenizer", "[false]"},
                     {"ngram_embedding_hidden_size", "[]"},
                     {"ngram_fused_mode", R"(["average"])"},
                     {"ngram_insert_all_layers", "[false]"},
                     {"ngram_layer_downproject_size", "[]"},
                     {"ngram_mod_force_prime", "[false]"},
                     {"ngram_vocab_size_ratio", "[]"},
                     {"qk_layernorm", "[false]"},
                     {"rope_interleaved", "[false]"},
                     {"skip_ngram_for_input", "[false]"},
                     {"sliding_window", "[]"},
                     {"use_sliding_window", "[false]"}},
                    {{"kv_channels", "head_dim"}}};
}

int loops_of(const JsonObject& object, const std::string& where) {
  const bool weighted = object.given("loop_loss_weights") && !object.array("loop_loss_weights").empty();
  if (!weighted) return object.integer("num_loops", 1, kMostLoops, 1);
  const std::size_t loops = object.array("loop_loss_weights").size() + 1;
  if (loops > kMostLoops) {
    throw Error("{}: loop_loss_weights has {} weights; at most {}", where, loops - 1, kMostLoops - 1);
  }
  return static_cast<int>(loops);
}

/// A Llama whose whole stack loops; model.norm ends every loop, or with skip_loop_final_norm the last one only.
Mapping map(const nlohmann::json& config, const TensorStore& /*tensors*/, const std::string& where) {
  const JsonObject object(config, where);
  ModelSpec spec = decoder_spec(config, where);
  spec.final_norm = object.boolean("skip_loop_final_norm", false);
  spec.groups[0].loops = loops_of(object, where);
  spec.groups[0].loop_norm = !spec.final_norm;
  Mapping mapping = decoder_mapping(std::move(spec));
  map_layer_norm(mapping, "attn.norm_in", "input_layernorm");
  map_layer_norm(mapping, "mlp.norm_in", "post_attention_layernorm");
  if (!mapping.spec.final_norm) mapping.recipes["groups.0.loop_norm.weight"] = {{"model.norm.weight"}, {}};
  map_biases(mapping, biases_of(config, where));
  return mapping;
}

}  // namespace

Family family() {
  return {"nanbeige", "Nanbeige 4.2", [](const nlohmann::json& config) { return is_type(config, "nanbeige"); }, keys(),
          map};
}

}  // namespace gyre::nanbeige
