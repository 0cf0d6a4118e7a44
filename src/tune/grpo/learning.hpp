#pragma once

#include <functional>
#include <span>
#include <vector>

#include "train/adamw.hpp"
#include "train/process_group.hpp"
#include "tune/grpo/grpo_config.hpp"
#include "tune/grpo/policy.hpp"
#include "tune/rollout.hpp"

namespace gyre {

/// A completion to learn from.
struct LearnedCompletion {
  const std::vector<std::int32_t>* prompt = nullptr;
  const Completion* completion = nullptr;
  std::vector<double> advantages;  ///< one a token
  bool counts = true;              ///< false: its tokens teach nothing (it was cut off)
};

/// What an update saw, means being over tokens that count.
struct LearningReport {
  double loss = 0;
  double divergence = 0;     ///< mean k3 of KL(π ‖ π_ref); 0 without a weight
  double clipped = 0;        ///< share of tokens whose clip is in force
  double mismatch = 0;       ///< most |log p of the drawing engine − log p of the learner| of all tokens, before the
                             ///< first update
  double surprise = 0;       ///< mean −log p of drawn tokens before the first update
  double gradient_norm = 0;  ///< of the last update
};

/// Updates the policy `config.updates` times on one batch. `loops` is per group; log-probabilities of the policy that
/// drew are the learner's own before the first update, or the engine's when `drawn_otherwise` (early exits drew, so
/// that they are another policy's). Of several ranks each gives its own completions, as many as the others; the
/// update and the report are those of all completions together.
LearningReport learn(Policy& policy, AdamW& optimiser, std::span<const LearnedCompletion> batch,
                     const GrpoConfig& config, const std::vector<int>& loops, bool drawn_otherwise, int step,
                     const ProcessGroup& group);

}  // namespace gyre
