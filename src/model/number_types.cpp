#include "model/number_types.hpp"

#include <nlohmann/json.hpp>
#include <set>
#include <span>

#include "kernels/kernels.hpp"

namespace gyre {
namespace {

struct Types {
  std::set<std::string> weights;
  std::set<std::string> prompt;
  std::set<std::string> decoding;

  void add(const Linear& linear) {
    constexpr std::size_t kPromptRows = 1024;
    if (!linear.there()) return;
    const PackedMatrix& weight = linear.weight;
    const WeightType type = weight.type;
    if (weight.part_count == 0) weights.emplace(name_of(type));
    for (const PackedMatrix& part : std::span(weight.parts, weight.part_count)) weights.emplace(name_of(part.type));
    prompt.insert(activation_type(type, kPromptRows, linear.in()));
    decoding.insert(activation_type(type, 1, linear.in()));
  }
  void add(const Layer& layer) {
    for (const Linear* linear : {&layer.qkv, &layer.value_gate, &layer.out, &layer.gate, &layer.up, &layer.down}) {
      add(*linear);
    }
  }
};

}  // namespace

std::string activation_type(WeightType type, std::size_t rows, std::size_t columns) {
  if (kernels().takes_bf16(type, rows, columns)) return "bf16";
  return is_coded(type) ? "int8" : "f32";
}

nlohmann::json number_types(const Model& model) {
  Types types;
  for (const GroupWeights& group : model.groups()) {
    for (const Layer& layer : group.fast.layers) types.add(layer);
    for (const Layer& layer : group.layers) types.add(layer);
    types.add(group.inject);
    types.add(group.exit);
  }
  if (model.head().there()) types.add(model.head());
  return {{"weights", types.weights},
          {"activations_in_prompts", types.prompt},
          {"activations_in_decoding", types.decoding}};
}

}  // namespace gyre
