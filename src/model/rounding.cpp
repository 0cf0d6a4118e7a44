#include "model/rounding.hpp"

#include <algorithm>
#include <cmath>

#include "model/parts.hpp"

namespace gyre {
namespace {

void add_type(PartRounding& part, std::string_view type) {
  if (part.types.find(type) != std::string::npos) return;
  if (!part.types.empty()) part.types += ", ";
  part.types += type;
}

}  // namespace

std::vector<PartRounding> compare_parts(const Model& original, const Model& stored) {
  const ModelSpec& spec = stored.spec();
  std::vector<PartRounding> parts;
  for (std::string& name : parts_of(spec)) parts.push_back({.part = std::move(name), .types = {}});
  std::vector<double> squares(parts.size());
  std::vector<double> errors(parts.size());
  for (const TensorInfo& info : tensor_table(spec)) {
    const std::string name = part_of(spec, info.name);
    const auto found = std::find_if(parts.begin(), parts.end(), [&](const PartRounding& p) { return p.part == name; });
    const auto place = static_cast<std::size_t>(found - parts.begin());
    const std::vector<float> before = original.tensor(info.name);
    const std::vector<float> after = stored.tensor(info.name);
    found->parameters += static_cast<std::int64_t>(after.size());
    if (const auto views = stored.source().stored(info.name)) {
      for (const TensorView& view : *views) {
        found->bytes += view.bytes.size();
        if (info.shape.size() > 1) add_type(*found, name_of(view.dtype));
      }
    }
    for (std::size_t i = 0; i < after.size(); ++i) {
      const double difference = static_cast<double>(after[i]) - static_cast<double>(before[i]);
      errors[place] += difference * difference;
      squares[place] += static_cast<double>(before[i]) * static_cast<double>(before[i]);
    }
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    parts[i].relative_error = squares[i] > 0 ? std::sqrt(errors[i] / squares[i]) : 0;
  }
  return parts;
}

}  // namespace gyre
