#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "model/spec.hpp"

namespace gyre {

/// rope_theta, also where it stands in rope_scaling or rope_parameters; `otherwise` when it stands nowhere. Throws
/// Error when it stands in two places with different values.
float rotary_theta(const nlohmann::json& config, float otherwise, const std::string& where);

/// What a family's own code does with the part of a head that turns.
enum class PartialRotation {
  refused,  ///< it turns whole heads whatever partial_rotary_factor says
  done,
};

/// Reads rope_theta, and rope_scaling or rope_parameters, into the rotary fields of `spec`, whose head_size and context
/// are there: "default", "linear", "llama3", "dynamic", "yarn" and "longrope" as transformers 5.24 computes them
/// (modeling_rope_utils.py). Under "dynamic" the context grows by the factor. Throws Error on other kinds, on keys that
/// none of them reads, and on a rotation that is not the same for all layers. `otherwise` is the theta of
/// files without one.
void read_rotation(const nlohmann::json& config, ModelSpec& spec, const std::string& where,
                   PartialRotation partial = PartialRotation::refused, float otherwise = 10000.0F);

/// The same of one dictionary, `place` for messages, whose theta is `theta` where it names none itself.
void read_rotation_of(const nlohmann::json& json, float theta, int original, ModelSpec& spec, const std::string& place,
                      PartialRotation partial);

}  // namespace gyre
