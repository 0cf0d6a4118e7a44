#include "tune/advantages.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.hpp"

namespace gyre {
namespace {

void require_groups(std::span<const double> rewards, std::size_t group_size) {
  if (group_size < 2 || rewards.size() % group_size != 0) {
    throw Error("{} rewards make no whole groups of {}; give 2 or more completions of each prompt", rewards.size(),
                group_size);
  }
}

bool is_flat(std::span<const double> group) {
  return std::all_of(group.begin(), group.end(), [&](double reward) { return reward == group[0]; });
}

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double sample_deviation(std::span<const double> values, double mean) {
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

}  // namespace

std::vector<double> group_advantages(std::span<const double> rewards, std::size_t group_size, AdvantageScale scale,
                                     double epsilon) {
  require_groups(rewards, group_size);
  std::vector<double> advantages(rewards.size(), 0);
  for (std::size_t first = 0; first < rewards.size(); first += group_size) {
    const std::span<const double> group = rewards.subspan(first, group_size);
    for (std::size_t i = 0; i < group_size; ++i) {
      if (!std::isfinite(group[i])) throw Error("the reward of item {} is {}, no finite number", first + i, group[i]);
    }
    if (is_flat(group)) continue;  // its mean may differ from its rewards in the last bit, which a small std enlarges
    const double mean = mean_of(group);
    const double unit = scale == AdvantageScale::none ? 1 : sample_deviation(group, mean) + epsilon;
    for (std::size_t i = 0; i < group_size; ++i) advantages[first + i] = (group[i] - mean) / unit;
  }
  return advantages;
}

std::size_t flat_groups(std::span<const double> rewards, std::size_t group_size) {
  require_groups(rewards, group_size);
  std::size_t count = 0;
  for (std::size_t first = 0; first < rewards.size(); first += group_size) {
    if (is_flat(rewards.subspan(first, group_size))) ++count;
  }
  return count;
}

double k3_divergence(double now, double reference) {
  const double d = reference - now;
  return std::expm1(d) - d;
}

double token_loss(const TokenLogProbabilities& token, double advantage, const PolicyLossSettings& settings) {
  const double ratio = std::exp(token.now - token.sampled);
  const double clipped = std::clamp(ratio, 1 - settings.clip_low, 1 + settings.clip_high);
  const double gain = std::min(ratio * advantage, clipped * advantage);
  if (settings.kl_weight == 0) return -gain;
  return settings.kl_weight * k3_divergence(token.now, token.reference) - gain;
}

bool is_clipped(const TokenLogProbabilities& token, double advantage, const PolicyLossSettings& settings) {
  const double ratio = std::exp(token.now - token.sampled);
  return (advantage > 0 && ratio > 1 + settings.clip_high) || (advantage < 0 && ratio < 1 - settings.clip_low);
}

double batch_loss(std::span<const std::vector<double>> token_losses, LossMean mean, std::size_t most_tokens) {
  double sum = 0;
  std::size_t tokens = 0;
  for (const std::vector<double>& losses : token_losses) {
    if (losses.empty()) continue;
    const double of_completion = std::accumulate(losses.begin(), losses.end(), 0.0);
    sum += mean == LossMean::completions ? of_completion / static_cast<double>(losses.size()) : of_completion;
    tokens += losses.size();
  }
  if (tokens == 0) throw Error("no completion of the batch has a token; there is nothing to learn");
  if (mean == LossMean::tokens) return sum / static_cast<double>(tokens);
  if (mean == LossMean::completions) return sum / static_cast<double>(token_losses.size());
  if (most_tokens == 0) throw Error("the mean over the longest completion needs the most tokens one may have");
  return sum / (static_cast<double>(token_losses.size()) * static_cast<double>(most_tokens));
}

}  // namespace gyre
