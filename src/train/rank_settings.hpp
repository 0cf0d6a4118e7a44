#pragma once

#include <nlohmann/json_fwd.hpp>

#include "train/process_group.hpp"

namespace gyre {

/// Throws Error on all ranks when one of them was started with other settings (train/run_settings.hpp) than the first;
/// that one names every key with both values.
void require_same_on_all_ranks(const ProcessGroup& group, const nlohmann::json& settings);

}  // namespace gyre
