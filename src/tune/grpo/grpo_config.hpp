#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "train/config.hpp"
#include "train/torch_adapter_config.hpp"
#include "tune/advantages.hpp"

namespace gyre {

/// Which loops of a model with one looped group are given credit for a token (RLTT, arXiv 2602.10520): the policy's
/// term is Σ_t w_t of that of loop t, whose log-probability is read behind loop t.
enum class LoopCredit {
  last,         ///< the last loop alone: what GRPO is on any model
  uniform,      ///< w_t = 1 / T
  progressive,  ///< w_t in proportion to (t / T)^power
  exit,         ///< w_t the probability that the model's exit gate leaves after loop t
};

/// Tokens that plan are moved further (HICRA, arXiv 2509.03646): A + weight · |A| for those in one of the phrases.
struct PlanningCredit {
  float weight = 0;  ///< 0: none
  std::vector<std::string> phrases;
};

/// How a policy is trained: the "grpo" object of a config.
struct GrpoConfig : OptimiserConfig {
  int prompts = 4;      ///< a step
  int completions = 8;  ///< of each
  int tokens = 256;     ///< most of a completion
  float temperature = 1;
  int top_k = 0;
  float top_p = 1;
  float min_p = 0;
  std::string loops;  ///< as --loops; empty: the model's own
  std::string exit;   ///< rule by which drawn tokens leave early; empty: full depth

  LossMean loss = LossMean::completions;
  AdvantageScale advantages = AdvantageScale::deviation;
  PolicyLossSettings policy;    ///< clip_low, clip_high, kl
  int updates = 1;              ///< of the weights, on each batch of completions
  bool mask_truncated = false;  ///< what ran out of tokens teaches nothing
  LoopCredit loop_credit = LoopCredit::last;
  float loop_credit_power = 1;  ///< of progressive
  PlanningCredit planning;

  /// Prompts are turns of a user, written by the model's chat template; unset: where it has one.
  std::optional<bool> chat = {};
  std::string prompt_key = "prompt";
  std::string split_key;          ///< lines with the same value are held out together; empty: the prompt
  float validation_share = 0.1F;  ///< of the prompts, never trained on
  int evaluate_every = 25;        ///< steps
  int evaluate_prompts = 64;      ///< at most, answered greedily
  int checkpoint_every = 1;
  int completions_every = 10;  ///< steps between batches that are written out; 0: none

  Precision precision = Precision::f32;
  int rows = 4;  ///< completions that are learned from at once
  std::uint64_t seed = 1;
};

/// A run of GRPO, from one file: {"grpo": {…}, "rewards": […], "adapter": {…}}; without "adapter" all weights learn.
struct GrpoPlan {
  GrpoConfig grpo;
  nlohmann::json rewards;
  std::optional<AdapterConfig> adapter;
  std::string encoder;  ///< model that the reward "semantic" embeds with; empty: none
  std::string where;
};
/// Throws Error naming the file and the key.
GrpoPlan load_grpo_plan(const std::filesystem::path& file);

/// Every key with its value.
nlohmann::json to_json(const GrpoConfig& config);

}  // namespace gyre
