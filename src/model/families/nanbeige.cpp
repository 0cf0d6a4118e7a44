#include <nlohmann/json.hpp>

#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre {
namespace {

/// A Llama whose whole stack loops; model.norm ends every loop, or with skip_loop_final_norm the last one only.
Mapping map(const nlohmann::json& config, const TensorStore& /*tensors*/, const std::string& where) {
  const JsonObject object(config, where);
  ModelSpec spec = decoder_spec(config, where);
  spec.final_norm = object.boolean("skip_loop_final_norm", false);
  const bool weighted = object.has("loop_loss_weights") && !object.array("loop_loss_weights").empty();
  spec.groups[0].loops = weighted ? static_cast<int>(object.array("loop_loss_weights").size()) + 1
                                  : object.integer("num_loops", 1, kMostLoops, 1);
  spec.groups[0].loop_norm = !spec.final_norm;
  Mapping mapping = decoder_mapping(std::move(spec));
  map_layer_norm(mapping, "attn.norm_in", "input_layernorm");
  map_layer_norm(mapping, "mlp.norm_in", "post_attention_layernorm");
  if (!mapping.spec.final_norm) mapping.recipes["groups.0.loop_norm.weight"] = {{"model.norm.weight"}, {}};
  return mapping;
}

}  // namespace

Family nanbeige_family() {
  return {"nanbeige", "Nanbeige 4.2", [](const nlohmann::json& config) { return is_type(config, "nanbeige"); }, map};
}

}  // namespace gyre
