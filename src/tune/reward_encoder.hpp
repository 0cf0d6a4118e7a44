#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/stop.hpp"
#include "tune/reward.hpp"

namespace gyre {

/// What judges completions: {"rewards": […], "encoder": MODEL}.
struct JudgePlan {
  nlohmann::json rewards;
  std::string encoder;  ///< model that the reward "semantic" embeds with; empty: none
  std::string where;
};
/// Keys of a GRPO run beside these are left alone, so that its own config judges too. Throws Error naming file and key.
JudgePlan load_judge_plan(const std::filesystem::path& config);

/// The rewards, and the encoder they share, loaded. Throws Error when one is not known or the encoder cannot be read.
std::vector<Reward> rewards_of(const JudgePlan& plan, int threads, Stop stop);

}  // namespace gyre
