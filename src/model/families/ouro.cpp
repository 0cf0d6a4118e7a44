#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre::ouro {
namespace {

ConfigKeys keys() {
  return decoder_keys() + no_window_keys() +
         ConfigKeys{{"total_ut_steps", "early_exit_step", "early_exit_threshold", "use_weighted_exit"},
                    {},
                    {{"attention_bias", "[false]"}, {"mlp_bias", "[false]"}},
                    {}};
}

/// Exits belong to a run, not to a model: keys that ask for some say what to pass instead.
void require_no_exit(const JsonObject& object, bool has_null_threshold, int loops, const std::string& where) {
  if (object.given("early_exit_step")) {
    // Counted from 0; the published code goes on to the last loop where there is no such step.
    const int step = object.integer("early_exit_step", -kMostLoops, kMostLoops);
    if (step >= 0 && step + 1 < loops) {
      throw Error("{}: early_exit_step is {}; take it out and run {} loops instead", where, step, step + 1);
    }
  }
  if (object.given("early_exit_threshold")) {
    const float threshold = object.number("early_exit_threshold", -1e6, 1e6);
    if (threshold >= 1) return;
    throw Error(
        "{}: early_exit_threshold is {}; set it to 1.0 and run with the exit gate:threshold={},save=no for the same "
        "logits, or gate:threshold={} to skip the loops behind",
        where, threshold, threshold, threshold);
  }
  // It counts for nothing beside a threshold, and without the key there is one: 1.0.
  if (!has_null_threshold || !object.boolean("use_weighted_exit", false)) return;
  throw Error("{}: use_weighted_exit is true; take it out and run with the exit gate-weighted instead", where);
}

/// LoopLM (arXiv 2510.25741): all layers loop, model.norm ends every loop and is what the head and the gate read.
Mapping map(const nlohmann::json& config, const TensorStore& /*tensors*/, const std::string& where) {
  const JsonObject object(config, where);
  ModelSpec spec = decoder_spec(config, where);
  spec.norm_placement = NormPlacement::branch;
  spec.final_norm = false;
  spec.groups[0].loops = object.integer("total_ut_steps", 1, kMostLoops, 4);
  spec.groups[0].loop_norm = true;
  spec.groups[0].exit_gate = true;
  const auto threshold = config.find("early_exit_threshold");
  require_no_exit(object, threshold != config.end() && threshold->is_null(), spec.groups[0].loops, where);
  Mapping mapping = decoder_mapping(std::move(spec));
  map_layer_norm(mapping, "attn.norm_in", "input_layernorm");
  map_layer_norm(mapping, "attn.norm_out", "input_layernorm_2");
  map_layer_norm(mapping, "mlp.norm_in", "post_attention_layernorm");
  map_layer_norm(mapping, "mlp.norm_out", "post_attention_layernorm_2");
  mapping.recipes["groups.0.loop_norm.weight"] = {{"model.norm.weight"}, {}};
  mapping.recipes["groups.0.gate.weight"] = {{"model.early_exit_gate.weight"}, {}};
  mapping.recipes["groups.0.gate.bias"] = {{"model.early_exit_gate.bias"}, {}};
  return mapping;
}

}  // namespace

Family family() {
  return {"ouro", "Ouro 1.4B and 2.6B, and Thinking",
          [](const nlohmann::json& config) { return is_type(config, "ouro"); }, keys(), map};
}

}  // namespace gyre::ouro
