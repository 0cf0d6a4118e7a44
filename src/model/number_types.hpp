#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "model/model.hpp"

namespace gyre {

/// What activations are rounded to before matrices of this type and of so many columns multiply `rows` of them at once,
/// with the kernels in use: "f32" (not at all), "bf16" or "int8".
std::string activation_type(WeightType type, std::size_t rows, std::size_t columns);

/// The types of a model's matrices as they are computed with, and what activations are rounded to before them in a
/// prompt and in decoding, each a list of names.
nlohmann::json number_types(const Model& model);

}  // namespace gyre
