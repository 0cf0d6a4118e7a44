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

/// Rewards that are ready to judge.
struct LoadedRewards {
  std::vector<Reward> rewards;
  std::string encoder_sha256;  ///< of the encoder that they share; empty: there is none
};
/// Throws Error when one is not known or the encoder cannot be read.
LoadedRewards load_rewards(const JudgePlan& plan, int threads, Stop stop);

}  // namespace gyre
