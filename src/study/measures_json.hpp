#pragma once

#include <nlohmann/json_fwd.hpp>

#include "study/dynamics.hpp"
#include "text/tokenizer.hpp"

namespace gyre {

/// Effective rank, decay, dimension of states by loop, and CKA. Null when they were not measured.
nlohmann::json geometry_json(const Dynamics& dynamics, const ModelSpec& spec);

/// What sampled windows and tokens say; null likewise.
nlohmann::json probes_json(const Dynamics& dynamics, const ModelSpec& spec);

/// Medians of the main measures by class of token, with intervals over windows. Null when losses were not measured.
nlohmann::json classes_json(const Dynamics& dynamics, const ModelSpec& spec, const Tokenizer& tokenizer);

}  // namespace gyre
