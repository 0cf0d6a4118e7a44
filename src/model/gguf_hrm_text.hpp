#pragma once

#include <array>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "format/gguf.hpp"

namespace gyre {

/// Keys behind the architecture's name that are HRM-Text's own and read.
inline constexpr std::array<std::string_view, 5> kHrmTextKeys = {"embedding_scale", "hrm.h_cycles", "hrm.l_cycles",
                                                                 "hrm.layers_per_stack", "hrm.prefix_lm"};

/// What they say, as keys of a config.json (llama.cpp, src/models/hrm-text.cpp). Throws Error naming block_count unless
/// it counts the passes of all cycles.
void add_hrm_text(const Gguf& file, nlohmann::json& config);

/// The name in a plain stack of a layer of L_module or H_module of a checkpoint: llama.cpp has those of L_module first,
/// `layers` of each.
std::string plain_hrm_text_name(const std::string& stored, int layers);

}  // namespace gyre
