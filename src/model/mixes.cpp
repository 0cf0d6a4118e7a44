#include "model/mixes.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

namespace gyre {
namespace {

constexpr Mix kMixes[] = {
    {"q4_k_s", DType::q4_k, DType::q4_k, DType::q5_k, Mix::Layers::first_eighth},
    {"q4_k_m", DType::q4_k, DType::q5_k, DType::q6_k, Mix::Layers::ends_and_every_third},
    {"q5_k_s", DType::q5_k, DType::q5_k, DType::q5_k, Mix::Layers::none},
    {"q5_k_m", DType::q5_k, DType::q6_k, DType::q6_k, Mix::Layers::ends_and_every_third},
};

/// The number behind `before` in a tensor's name; nothing where `before` is not there.
std::optional<int> number_behind(std::string_view name, std::string_view before) {
  const std::size_t at = name.find(before);
  if (at == std::string_view::npos) return {};
  int number = 0;
  std::from_chars(name.data() + at + before.size(), name.data() + name.size(), number);
  return number;
}

/// Where a layer stands among all layers of the model; those of a fast stack stand where its group begins.
int layer_of(const ModelSpec& spec, std::string_view tensor) {
  const auto group = static_cast<std::size_t>(number_behind(tensor, "groups.").value_or(0));
  int layer = tensor.find(".fast.") == std::string_view::npos ? number_behind(tensor, ".layers.").value_or(0) : 0;
  for (std::size_t g = 0; g < group; ++g) layer += spec.groups[g].layers;
  return layer;
}

bool takes_more(Mix::Layers layers, int layer, int count) {
  switch (layers) {
    case Mix::Layers::none:
      return false;
    case Mix::Layers::first_eighth:
      return layer < count / 8;
    case Mix::Layers::ends_and_every_third:
      return layer < count / 8 || layer >= 7 * count / 8 || (layer - count / 8) % 3 == 2;
  }
  return false;
}

}  // namespace

std::span<const Mix> mixes() { return kMixes; }

const Mix* mix_named(const std::string& name) {
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto* const found =
      std::find_if(std::begin(kMixes), std::end(kMixes), [&](const Mix& mix) { return mix.name == lower; });
  return found == std::end(kMixes) ? nullptr : found;
}

std::string mix_names() {
  std::string names;
  for (const Mix& mix : kMixes) names += (names.empty() ? "" : ", ") + std::string(mix.name);
  return names;
}

DType type_in(const Mix& mix, const ModelSpec& spec, std::string_view tensor) {
  if (tensor == "head.weight" || (tensor == "embed.weight" && spec.tied_head)) return mix.head;
  if (tensor.ends_with(".attn.qkv.weight")) return mix.attention;
  if (!tensor.ends_with(".mlp.down.weight")) return mix.rest;
  int count = 0;
  for (const Group& group : spec.groups) count += group.layers;
  return takes_more(mix.layers, layer_of(spec, tensor), count) ? mix.down : mix.rest;
}

DType fitting(DType type, std::size_t columns) {
  if (columns % block_size(type) == 0) return type;
  const auto stand_in = [type] {
    switch (type) {
      case DType::q4_k:
        return DType::q5_0;
      case DType::q5_k:
        return DType::q5_1;
      case DType::q6_k:
        return DType::q8_0;
      default:
        return DType::f32;
    }
  }();
  return columns % block_size(stand_in) == 0 ? stand_in : DType::f32;
}

}  // namespace gyre
