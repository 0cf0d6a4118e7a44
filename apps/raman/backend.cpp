#include "raman/backend.hpp"

namespace gyre::raman {

Examples Examples::subset(std::span<const std::size_t> indices) const {
  Examples part{points, grid_step, classes, minerals, {}, {}, {}, {}, {}};
  part.inputs.reserve(indices.size() * static_cast<std::size_t>(points));
  for (const std::size_t i : indices) {
    const auto row = input(i);
    part.inputs.insert(part.inputs.end(), row.begin(), row.end());
    part.labels.push_back(labels[i]);
    part.mineral.push_back(mineral[i]);
    if (!specimen.empty()) part.specimen.push_back(specimen[i]);
    if (!infrared.empty()) part.infrared.push_back(infrared[i]);
    if (!measurements.empty()) part.measurements.push_back(measurements[i]);
  }
  return part;
}

}  // namespace gyre::raman
