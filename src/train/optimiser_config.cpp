#include "train/optimiser_config.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

namespace gyre {
namespace {

constexpr EnumName<Schedule> kSchedules[] = {{Schedule::cosine, "cosine"},
                                             {Schedule::warmup_stable_decay, "warmup_stable_decay"}};
constexpr int kMostWarmup = 1'000'000'000;

}  // namespace

void read_optimiser(const JsonObject& object, OptimiserConfig& config) {
  config.learning_rate = object.number("learning_rate", 0, 10, config.learning_rate);
  config.weight_decay = object.number("weight_decay", 0, 10, config.weight_decay);
  config.beta1 = object.number("beta1", 0, 0.999999, config.beta1);
  config.beta2 = object.number("beta2", 0, 0.999999, config.beta2);
  config.epsilon = object.number("epsilon", 1e-12, 1, config.epsilon);
  config.clip = object.number("clip", 0, 1e6, config.clip);
  config.schedule = object.choice<Schedule>("schedule", kSchedules, config.schedule);
  config.warmup = object.integer("warmup", 0, kMostWarmup, config.warmup);
  config.decay_share = object.number("decay_share", 0, 1, config.decay_share);
  config.floor = object.number("floor", 0, 1, config.floor);
}

nlohmann::json to_json(const OptimiserConfig& config) {
  return {{"steps", config.steps},
          {"learning_rate", config.learning_rate},
          {"weight_decay", config.weight_decay},
          {"beta1", config.beta1},
          {"beta2", config.beta2},
          {"epsilon", config.epsilon},
          {"clip", config.clip},
          {"schedule", name_of<Schedule>(kSchedules, config.schedule)},
          {"warmup", config.warmup},
          {"decay_share", config.decay_share},
          {"floor", config.floor}};
}

double learning_rate_at(const OptimiserConfig& config, int step) {
  const double top = config.learning_rate;
  if (step <= config.warmup) return top * step / config.warmup;
  if (config.schedule == Schedule::cosine) {
    const double share = static_cast<double>(step - config.warmup) / std::max(1, config.steps - config.warmup);
    return top * (config.floor + (1 - config.floor) * 0.5 * (1 + std::cos(std::numbers::pi * std::min(1.0, share))));
  }
  if (config.decay_share == 0) return top;
  const double decay_steps = std::max(1.0, static_cast<double>(config.decay_share) * config.steps);
  const double into_decay = step - (config.steps - decay_steps);
  if (into_decay <= 0) return top;
  return top * (1 - (1 - config.floor) * std::min(1.0, into_decay / decay_steps));
}

}  // namespace gyre
