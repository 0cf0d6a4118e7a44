#pragma once

#include "tune/reward.hpp"

namespace gyre {

// One a file in this folder; reward.cpp lists them.
RewardKind rouge_reward();
RewardKind correct_reward();
RewardKind form_reward();
RewardKind length_reward();
RewardKind command_reward();
RewardKind semantic_reward();

}  // namespace gyre
