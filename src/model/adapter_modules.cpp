#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "model/adapter.hpp"

namespace gyre {
namespace {

constexpr std::string_view kWeight = ".weight";

/// Linear maps of a layer that many tokens go through: those that are worth adapting, and that the engine adapts.
bool is_layer_map(const std::string& tensor) {
  for (const std::string_view end : {".attn.qkv.weight", ".attn.out.weight", ".mlp.up.weight", ".mlp.down.weight"}) {
    if (tensor.ends_with(end)) return true;
  }
  return false;
}

std::string without_weight(std::string name) {
  if (name.ends_with(kWeight)) name.resize(name.size() - kWeight.size());
  return name;
}

}  // namespace

std::map<std::string, ModulePlace> adaptable_modules(const TensorSource& source) {
  std::map<std::string, ModulePlace> modules;
  std::set<std::string> shared;  // tensors of the checkpoint that several of gyre's are made of
  const auto add = [&](const std::string& name, ModulePlace place) {
    if (!modules.emplace(name, std::move(place)).second) shared.insert(name);
  };
  for (const auto& [tensor, shape] : source.shapes()) {
    if (!is_layer_map(tensor)) continue;
    const auto in = static_cast<std::size_t>(shape.back());
    if (!source.stacked(tensor)) {
      add(without_weight(tensor), {tensor, {0, static_cast<std::size_t>(shape.front())}, in});
      continue;
    }
    std::size_t row = 0;
    for (const std::string& part : source.parts(tensor)) {
      const std::size_t rows = source.store().at(part).rows();
      add(without_weight(part), {tensor, {row, row + rows}, in});
      row += rows;
    }
  }
  for (const std::string& name : shared) modules.erase(name);
  return modules;
}

std::vector<std::string> targeted_modules(const std::map<std::string, ModulePlace>& modules,
                                          const std::vector<std::string>& targets) {
  std::set<std::string> chosen;
  std::set<std::string> known;
  for (const auto& [name, place] : modules) known.insert(name.substr(name.rfind('.') + 1));
  for (const std::string& target : targets) {
    bool found = false;
    for (const auto& [name, place] : modules) {
      const bool hit = target == "all-linear" || name == target || name.ends_with("." + target);
      if (hit) chosen.insert(name);
      found = found || hit;
    }
    if (!found) {
      throw Error("targets: no linear map of this model's layers is named \"{}\"; there are {}, or all-linear", target,
                  fmt::join(known, ", "));
    }
  }
  return {chosen.begin(), chosen.end()};
}

void require_fitting(const Adapter& adapter, const std::map<std::string, ModulePlace>& modules,
                     const std::string& where) {
  for (const LowRank& part : adapter.parts) {
    const auto found = modules.find(part.module);
    if (found == modules.end()) {
      throw Error("{}: module {} is no linear map of this model's layers, such as {}; the adapter is another model's",
                  where, part.module, modules.empty() ? "none" : modules.begin()->first);
    }
    const ModulePlace& place = found->second;
    const std::size_t out = place.rows.end - place.rows.begin;
    if (part.down.size() != part.rank * place.in || part.up.size() != part.rank * out) {
      throw Error("{}: module {} maps {} numbers to {}, but the model's maps {} to {}; the adapter is another model's",
                  where, part.module, part.down.size() / part.rank, part.up.size() / part.rank, place.in, out);
    }
  }
}

}  // namespace gyre
