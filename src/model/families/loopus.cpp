#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/families/decoder_names.hpp"
#include "model/families/list.hpp"

namespace gyre::loopus {
namespace {

ConfigKeys keys() {
  return {
      {"N", "base_config_dict", "convergence_epsilon", "decoder_layer_indices", "encoder_layer_indices",
       "halting_strategy", "hidden_size", "q_eval_interval", "q_threshold", "reasoning_layer_indices", "vocab_size"},
      // The file has both an embedding and a head, whatever the base model does.
      {"base_model_name_or_path", "tie_word_embeddings"},
      {},
      {}};
}

/// Layers of the base model that a block is made of, ascending; [-N] stands for those from N on.
std::vector<int> block(const JsonObject& object, const char* key, int layers, const std::string& where) {
  std::vector<int> indices;
  if (!object.given(key)) return indices;
  const nlohmann::json& list = object.array(key);
  const bool open = list.size() == 1 && list[0].is_number_integer() && list[0].get<std::int64_t>() < 0;
  if (open && !list[0].is_number_unsigned() && list[0].get<std::int64_t>() > -layers) {
    for (int l = -list[0].get<int>(); l < layers; ++l) indices.push_back(l);
    return indices;
  }
  for (const nlohmann::json& index : list) {
    const bool right =
        index.is_number_integer() && index.get<std::int64_t>() >= 0 && index.get<std::int64_t>() < layers;
    if (!right) throw Error("{}: {} holds {}, which is none of {} layers", where, key, index.dump(), layers);
    indices.push_back(index.get<int>());
  }
  std::sort(indices.begin(), indices.end());
  return indices;
}

struct Block {
  std::string name;
  std::vector<int> layers;  ///< of the base model
};

std::vector<Block> blocks_of(const JsonObject& object, int layers, const std::string& where) {
  std::vector<Block> blocks = {{"encoder", block(object, "encoder_layer_indices", layers, where)},
                               {"reasoning", block(object, "reasoning_layer_indices", layers, where)},
                               {"decoder", block(object, "decoder_layer_indices", layers, where)}};
  std::vector<int> uses(static_cast<std::size_t>(layers));
  for (const Block& one : blocks) {
    for (const int l : one.layers) ++uses[static_cast<std::size_t>(l)];
  }
  for (int l = 0; l < layers && !object.given("reasoning_layer_indices"); ++l) {
    if (uses[static_cast<std::size_t>(l)] == 0) blocks[1].layers.push_back(l);
  }
  if (std::any_of(uses.begin(), uses.end(), [](int count) { return count > 1; })) {
    throw Error("{}: the lists of layers overlap; each layer belongs to one block", where);
  }
  if (blocks[1].layers.empty()) throw Error("{}: reasoning_layer_indices is empty; no layer loops", where);
  return blocks;
}

/// Exits belong to a run: what to pass for those that the authors' program makes.
std::string exit_note(const JsonObject& object, int loops, const std::string& where) {
  const std::string strategy = object.text("halting_strategy", "threshold");
  const float threshold = object.number("q_threshold", -1e6, 1e6, 0.9F);
  const int every = std::max(1, object.integer("q_eval_interval", -kMostLoops, kMostLoops, 1));
  if (strategy == "convergence") {
    return fmt::format(
        "its authors' program ends a text's loops when the last state moves by less than {}; here all {} "
        "loops run unless an exit ends them, as step and latent-diff do",
        object.number("convergence_epsilon", 0, 1e6, 1e-2F), loops);
  }
  if (strategy != "threshold" && strategy != "cdf") {
    throw Error("{}: halting_strategy is \"{}\"; it must be threshold, cdf or convergence", where, strategy);
  }
  if (threshold >= 1) return {};
  return fmt::format(
      "its authors' program ends a text's loops by its exit head (q_threshold {}); here all {} loops run unless an "
      "exit "
      "ends those of each token, as in gate:threshold={}{}{}",
      threshold, loops, threshold, strategy == "threshold" ? ",of=loop" : "",
      every > 1 ? fmt::format(",every={}", every) : "");
}

/// The layers of the base model's mapping, block by block.
void move_layers(const Mapping& base, const std::vector<Block>& blocks, Mapping& mapping) {
  std::size_t g = 0;
  for (const Block& one : blocks) {
    if (one.layers.empty()) continue;
    for (std::size_t l = 0; l < one.layers.size(); ++l) {
      const std::string from = fmt::format("groups.0.layers.{}.", one.layers[l]);
      const std::string stored = fmt::format("model.layers.{}.", one.layers[l]);
      for (auto found = base.recipes.lower_bound(from); found != base.recipes.end(); ++found) {
        if (!found->first.starts_with(from)) break;
        Recipe recipe = found->second;
        for (std::string& part : recipe.parts) {
          part = fmt::format("{}.layers.{}.{}", one.name, l, part.substr(stored.size()));
        }
        mapping.recipes[fmt::format("groups.{}.layers.{}.{}", g, l, found->first.substr(from.size()))] = recipe;
      }
    }
    ++g;
  }
}

/// x ← x + A ⊙ (loop(x) − x), A = exp(−softplus(W_δ W_r (loop(x) − x) + b) ⊙ exp(A_log)): arXiv 2605.11011.
void map_core(Mapping& mapping, const std::string& group) {
  auto& recipes = mapping.recipes;
  recipes[group + "update.down.weight"] = {{"reasoning.gate.dt_input_proj.weight"}, {}};
  recipes[group + "update.up.weight"] = {{"reasoning.gate.delta_proj.weight"}, {}};
  recipes[group + "update.up.bias"] = {{"reasoning.gate.delta_proj.bias"}, {}};
  recipes[group + "update.decay"] = {{"reasoning.gate.A_log"}, arrange::exponentials()};
  recipes[group + "gate_norm.weight"] = {{"q_head.0.weight"}, {}};
  recipes[group + "gate_norm.bias"] = {{"q_head.0.bias"}, {}};
  recipes[group + "gate.weight"] = {{"q_head.1.weight"}, {}};
  recipes[group + "gate.bias"] = {{"q_head.1.bias"}, {}};
}

Group group_of(const Block& one, const JsonObject& object, const ModelSpec& base) {
  Group group = plain_group(one.name, static_cast<int>(one.layers.size()));
  for (std::size_t l = 0; l < one.layers.size(); ++l) {
    if (sees_window(base.groups[0], one.layers[l])) group.window_layers.push_back(static_cast<int>(l));
  }
  if (one.name != "reasoning") return group;
  group.loops = object.integer("N", 1, kMostLoops, 6);
  group.update_rank = (base.hidden_size + 15) / 16;
  group.exit_gate = group.exit_gate_norm = true;
  return group;
}

Mapping map(const nlohmann::json& config, const TensorStore& tensors, const std::string& where) {
  const JsonObject object(config, where);
  const nlohmann::json* base_config = object.given("base_config_dict") ? &config.at("base_config_dict") : nullptr;
  if (base_config == nullptr || !base_config->is_object()) {
    throw Error("{}: base_config_dict is missing; it holds the base model's configuration", where);
  }
  const std::string inside = where + ": base_config_dict";
  const Family& family = family_of(*base_config, inside);
  if (family.name != "qwen3" && family.name != "qwen2" && family.name != "llama") {
    throw Error("{}: model_type is of the family {}; gyre does qwen3, qwen2 and llama in this place", inside,
                family.name);
  }
  const Mapping base = map_checkpoint(family, *base_config, tensors, inside);
  Mapping mapping;
  mapping.spec = base.spec;
  mapping.spec.name = "loopus";
  mapping.spec.tied_head = false;
  mapping.spec.groups.clear();
  for (const Block& one : blocks_of(object, base.spec.groups[0].layers, where)) {
    if (one.name == "reasoning") map_core(mapping, fmt::format("groups.{}.", mapping.spec.groups.size()));
    if (!one.layers.empty()) mapping.spec.groups.push_back(group_of(one, object, base.spec));
  }
  for (const auto& [key, own] :
       {std::pair{"hidden_size", base.spec.hidden_size}, {"vocab_size", base.spec.vocab_size}}) {
    if (!object.given(key) || object.integer(key, 0, 1 << 24) == own) continue;
    throw Error("{}: {} is {}, but that of base_config_dict is {}; the two have to agree", where, key,
                object.integer(key, 0, 1 << 24), own);
  }
  move_layers(base, blocks_of(object, base.spec.groups[0].layers, where), mapping);
  mapping.recipes["embed.weight"] = {{"encoder.embed_tokens.weight"}, {}};
  mapping.recipes["final_norm.weight"] = {{"decoder.norm.weight"}, {}};
  mapping.recipes["head.weight"] = {{"decoder.lm_head.weight"}, {}};
  const std::string note = exit_note(object, object.integer("N", 1, kMostLoops, 6), where);
  if (!note.empty()) mapping.notes.push_back(note);
  return mapping;
}

}  // namespace

Family family() {
  return {"loopus", "LoopUS 1.7B and 4B", [](const nlohmann::json& config) { return is_type(config, "lds"); }, keys(),
          map};
}

}  // namespace gyre::loopus
