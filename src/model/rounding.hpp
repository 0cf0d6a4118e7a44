#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/model.hpp"

namespace gyre {

/// What storing a part of a model otherwise did to it.
struct PartRounding {
  std::string part;
  std::string types;  ///< of its matrices, "Q4_0" or "Q4_0, F32"
  std::int64_t parameters = 0;
  std::uint64_t bytes = 0;    ///< as stored
  double relative_error = 0;  ///< ‖stored − original‖₂ / ‖original‖₂ over the numbers of the part
};

/// Compares two models of one spec part by part, in the order of parts_of().
std::vector<PartRounding> compare_parts(const Model& original, const Model& stored);

}  // namespace gyre
