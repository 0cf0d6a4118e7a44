#pragma once

#include <array>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "format/gguf.hpp"

namespace gyre {

/// Tensors of Phi 3 that divide its frequencies: short sequences' and long ones'.
inline constexpr const char* kPhi3Short = "rope_factors_short.weight";
inline constexpr const char* kPhi3Long = "rope_factors_long.weight";

/// Whether a file has those tensors; throws Error when it has one alone.
bool has_phi3_factors(const Gguf& file);

/// What Phi 3's keys and those tensors say, as keys of a config.json (llama.cpp, src/models/phi3.cpp). The window is
/// that of the key, as in the published code; llama.cpp sets it aside.
void add_phi3(const Gguf& file, nlohmann::json& config);

}  // namespace gyre
