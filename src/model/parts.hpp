#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/spec.hpp"

namespace gyre {

/// The parts of a model that may be stored in types of their own: "embed" (with learned positions), the groups by their
/// names, and "head" unless it is the table of embeddings.
std::vector<std::string> parts_of(const ModelSpec& spec);

/// The part that a tensor of tensor_table(spec) belongs to; the final norm is the head's, or the last group's.
std::string part_of(const ModelSpec& spec, std::string_view tensor);

}  // namespace gyre
