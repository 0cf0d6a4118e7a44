#include "study/exits/exit_thresholds.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace gyre {
namespace {

/// To three digits, as a grid is read.
double rounded(double threshold) { return std::stod(fmt::format("{:.3g}", threshold)); }

/// Goes on from `tau` by a factor while `wanted`, within what a float holds.
double walk(double tau, double factor, const std::function<bool(double)>& wanted) {
  constexpr int kMostSteps = 24;
  for (int i = 0; i < kMostSteps && wanted(tau); ++i) tau *= factor;
  return tau;
}

std::vector<double> geometric(double low, double high, int count) {
  std::vector<double> grid;
  for (int i = 0; i < count; ++i) {
    const double share = count == 1 ? 0 : static_cast<double>(i) / (count - 1);
    const double threshold = rounded(low * std::pow(high / low, share));
    if (grid.empty() || threshold > grid.back()) grid.push_back(threshold);
  }
  return grid;
}

/// Of a difference: equal steps from about where none leaves to about where all do, each found to a factor of two on
/// its side of zero.
std::vector<double> signed_grid(const ThresholdOption& option, int count, const LoopsAt& loops_at) {
  constexpr double kLeast = 1.0 / 1024;
  const double full = loops_at(option.safest);
  const double least = loops_at(option.boldest);
  const auto some_leave = [&](double tau) { return tau > option.safest && loops_at(tau) < full - kSameLoops; };
  const auto some_stay = [&](double tau) { return tau < option.boldest && loops_at(tau) > least + kSameLoops; };
  const double low = std::max(option.safest, walk(-kLeast, 2, some_leave));
  const double high = std::min(option.boldest, walk(kLeast, 2, some_stay));
  std::vector<double> grid;
  for (int i = 0; i < count; ++i) {
    const double threshold = rounded(low + (high - low) * (count == 1 ? 0 : static_cast<double>(i) / (count - 1)));
    if (grid.empty() || threshold > grid.back()) grid.push_back(threshold);
  }
  return grid;
}

}  // namespace

ThresholdOption threshold_option(const ExitChoice& rule) {
  const ExitKind& kind = exit_kind_named(rule.kind, rule.text);
  if (kind.threshold == nullptr) {
    throw Error("exit {}: it has no threshold to calibrate; choose accel, step, kl or another that has tau", rule.text);
  }
  ThresholdOption option = kind.threshold(rule);
  if (rule.options.contains(option.key)) {
    throw Error("exit {}: {} is what is to be found; leave it out, or list what to try as thresholds", rule.text,
                option.key);
  }
  return option;
}

bool leaves_threshold_open(const ExitChoice& rule) {
  const ExitKind& kind = exit_kind_named(rule.kind, rule.text);
  const auto says = [&](const char* key, const char* value) {
    const auto option = rule.options.find(key);
    return option != rule.options.end() && option->second == value;
  };
  if (kind.threshold == nullptr || says("form", "sign") || says("side", "above")) return false;
  return !rule.options.contains(kind.threshold(rule).key);
}

ExitChoice rule_at(const ExitChoice& rule, const ThresholdOption& option, double threshold) {
  const std::string_view between = rule.options.empty() ? ":" : ",";
  const std::string_view head = rule.options.empty() ? std::string_view(rule.kind) : std::string_view(rule.text);
  return parse_exit(fmt::format("{}{}{}={}", head, between, option.key, threshold));
}

std::vector<double> from_safest(std::vector<double> thresholds, const ThresholdOption& option, const ExitChoice& rule) {
  const auto [least, most] = std::minmax(option.safest, option.boldest);
  for (const double threshold : thresholds) {
    if (threshold >= least && threshold <= most && (!option.whole || threshold == std::floor(threshold))) continue;
    throw Error("thresholds: {}={} is nothing that {} takes; give {} from {} to {}", option.key, threshold, rule.kind,
                option.whole ? "whole numbers" : "numbers", least, most);
  }
  std::sort(thresholds.begin(), thresholds.end());
  if (const auto twice = std::adjacent_find(thresholds.begin(), thresholds.end()); twice != thresholds.end()) {
    throw Error("thresholds: {} is there twice; give each once", *twice);
  }
  if (!option.bolder_when_larger) std::reverse(thresholds.begin(), thresholds.end());
  return thresholds;
}

std::vector<double> threshold_grid(const ThresholdOption& option, int count, int most_loops, const LoopsAt& loops_at) {
  std::vector<double> grid;
  if (option.whole) {
    for (int steps = most_loops; steps >= 1; --steps) grid.push_back(steps);
    return grid;
  }
  if (!option.bolder_when_larger) {
    for (int i = 0; i < count; ++i) grid.push_back(rounded(1 - static_cast<double>(i) / count));
    return grid;
  }
  if (option.safest < 0) return signed_grid(option, count, loops_at);
  const double full = loops_at(option.safest);
  const double least = loops_at(option.boldest);
  const auto some_leave = [&](double tau) { return loops_at(tau) < full - kSameLoops; };
  const auto some_stay = [&](double tau) { return loops_at(tau) > least + kSameLoops; };
  double low = walk(0.0625, 0.25, some_leave);  // down to where none leaves, then up to half of where one does
  low = walk(low, 2, [&](double tau) { return !some_leave(2 * tau); });
  double high = walk(2 * low, 4, some_stay);  // up to where all leave, then down to twice of where one stays
  high = walk(high, 0.5, [&](double tau) { return !some_stay(tau / 2); });
  return geometric(low, high, count);
}

}  // namespace gyre
