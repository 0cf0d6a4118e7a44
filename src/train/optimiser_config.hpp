#pragma once

#include <string_view>

#include "format/json_object.hpp"

namespace gyre {

enum class Schedule { cosine, warmup_stable_decay };
enum class OptimiserKind {
  adamw,
  muon,  ///< for the matrices of groups; AdamW for everything else
};

/// The optimiser and its learning rate over the steps of a run.
struct OptimiserConfig {
  int steps = 1000;
  OptimiserKind optimiser = OptimiserKind::adamw;
  float learning_rate = 1e-3F;
  float weight_decay = 0.1F;
  float beta1 = 0.9F;
  float beta2 = 0.95F;
  float momentum = 0.95F;  ///< of Muon
  float epsilon = 1e-8F;
  float clip = 1.0F;  ///< bound on the global gradient norm; 0: none
  Schedule schedule = Schedule::cosine;
  int warmup = 100;          ///< steps
  float decay_share = 0.2F;  ///< of the steps, for warmup_stable_decay
  float floor = 0.1F;        ///< final learning rate as a share of the highest
};

/// The keys that read_optimiser reads.
inline constexpr std::string_view kOptimiserKeys[] = {
    "learning_rate", "weight_decay", "beta1", "beta2", "epsilon", "clip", "schedule", "warmup", "decay_share", "floor"};

/// Reads the keys of kOptimiserKeys, which are all but "steps", "optimiser" and "momentum"; those that are not there
/// keep their values.
void read_optimiser(const JsonObject& object, OptimiserConfig& config);

/// Every key that read_optimiser reads with its value, and "steps".
nlohmann::json to_json(const OptimiserConfig& config);

/// Learning rate of a step (counted from 1).
double learning_rate_at(const OptimiserConfig& config, int step);

}  // namespace gyre
