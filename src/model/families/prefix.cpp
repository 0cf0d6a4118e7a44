#include "model/families/prefix.hpp"

#include <algorithm>
#include <array>

namespace gyre {
namespace {

/// Whether every part of "a.b." is what a wrapper is called.
bool is_of_wrappers(std::string_view prefix) {
  constexpr std::array<std::string_view, 6> kWrappers = {
      "_orig_mod", "_original_module", "_forward_module", "module", "model", "gpt"};
  while (!prefix.empty()) {
    const std::size_t dot = prefix.find('.');
    if (dot == std::string_view::npos) return false;
    if (std::find(kWrappers.begin(), kWrappers.end(), prefix.substr(0, dot)) == kWrappers.end()) return false;
    prefix.remove_prefix(dot + 1);
  }
  return true;
}

}  // namespace

std::string prefix_before(const TensorStore& tensors, const std::string& name) {
  if (tensors.has(name)) return {};
  for (const auto& [stored, tensor] : tensors.tensors()) {
    if (!stored.ends_with("." + name)) continue;
    const std::string prefix = stored.substr(0, stored.size() - name.size());
    if (is_of_wrappers(prefix)) return prefix;
  }
  return {};
}

void add_prefix(Mapping& mapping, const std::string& prefix) {
  for (auto& [name, recipe] : mapping.recipes) {
    for (std::string& part : recipe.parts) part.insert(0, prefix);
  }
  for (std::string& name : mapping.unused) name.insert(0, prefix);
}

}  // namespace gyre
