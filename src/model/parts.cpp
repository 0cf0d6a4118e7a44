#include "model/parts.hpp"

#include <charconv>

namespace gyre {

std::vector<std::string> parts_of(const ModelSpec& spec) {
  std::vector<std::string> parts = {"embed"};
  for (const Group& group : spec.groups) parts.push_back(group.name);
  if (!spec.tied_head) parts.emplace_back("head");
  return parts;
}

std::string part_of(const ModelSpec& spec, std::string_view tensor) {
  constexpr std::string_view kGroups = "groups.";
  if (tensor.starts_with(kGroups)) {
    std::size_t group = 0;
    std::from_chars(tensor.data() + kGroups.size(), tensor.data() + tensor.size(), group);
    return spec.groups.at(group).name;
  }
  if (tensor.starts_with("embed") || tensor.starts_with("position")) return "embed";
  return parts_of(spec).back();
}

}  // namespace gyre
