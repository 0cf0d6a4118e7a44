#include <nlohmann/json.hpp>

#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre::iquestloopcoder {
namespace {

ConfigKeys keys() { return decoder_keys() + bias_keys() + ConfigKeys{{"loop_num", "loop_window_size"}, {}, {}, {}}; }

/// The published class's, of keys that decoder_spec() takes otherwise where they are left out.
nlohmann::json with_defaults(const nlohmann::json& config) {
  nlohmann::json filled = {
      {"head_dim", 128}, {"num_key_value_heads", 8}, {"max_position_embeddings", 8192}, {"rms_norm_eps", 1e-5}};
  if (!config.contains("rope_parameters")) filled["rope_theta"] = 500000.0;
  filled.update(config);
  return filled;
}

/// A Llama whose whole stack loops, without a norm between: later loops attend to the keys of the first one as well,
/// and to no more than a window of their own.
Mapping map(const nlohmann::json& config, const TensorStore& /*tensors*/, const std::string& where) {
  const JsonObject object(config, where);
  ModelSpec spec = decoder_spec(with_defaults(config), where);
  Group& group = spec.groups[0];
  group.loops = object.integer("loop_num", 1, kMostLoops, 2);
  group.first_loop_attention = true;
  const int window = object.integer("loop_window_size", 1, kMostContext, 64);
  if (window < spec.context) group.loop_window = window;
  Mapping mapping = decoder_mapping(std::move(spec));
  map_layer_norm(mapping, "attn.norm_in", "input_layernorm");
  map_layer_norm(mapping, "mlp.norm_in", "post_attention_layernorm");
  map_biases(mapping, biases_of(config, where));
  for (int l = 0; l < mapping.spec.groups[0].layers; ++l) {
    for (const char* const part : {"weight", "bias"}) {
      mapping.recipes[fmt::format("groups.0.layers.{}.attn.loop_gate.{}", l, part)] = {
          {fmt::format("model.gate_projections.{}.{}", l, part)}, {}};
    }
  }
  if (mapping.spec.groups[0].looped()) {
    mapping.notes.emplace_back(
        "its published code decodes single tokens without the window of later loops (loop_window_size), and with keys "
        "of the prompt made again from other states; here every token is computed as in a prompt");
  }
  return mapping;
}

}  // namespace

Family family() {
  return {"iquestloopcoder", "IQuest-Coder Loop",
          [](const nlohmann::json& config) { return is_type(config, "iquestloopcoder"); }, keys(), map};
}

}  // namespace gyre::iquestloopcoder
