#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/exits.hpp"

namespace gyre {

/// The threshold of a rule, which leaves it open. Throws Error when the rule has none, or `rule` sets it.
ThresholdOption threshold_option(const ExitChoice& rule);

/// Whether a rule has a threshold and does not say it.
bool leaves_threshold_open(const ExitChoice& rule);

/// The rule with its threshold.
ExitChoice rule_at(const ExitChoice& rule, const ThresholdOption& option, double threshold);

/// The safest first. Throws Error when one is there twice, or is none that the option can be.
std::vector<double> from_safest(std::vector<double> thresholds, const ThresholdOption& option, const ExitChoice& rule);

/// Loops a token that are closer than this are the same.
inline constexpr double kSameLoops = 1e-9;

/// Mean loops of some texts under a threshold.
using LoopsAt = std::function<double(double threshold)>;

/// About `count` thresholds, the safest first: those of a length or a divergence go up by a constant factor from where
/// no token leaves to where all leave as soon as they may, by `loops_at`, and those of a difference, which may be below
/// zero, by equal steps; a share goes down from 1 by equal steps, a
/// whole number from `most_loops` one by one.
std::vector<double> threshold_grid(const ThresholdOption& option, int count, int most_loops, const LoopsAt& loops_at);

}  // namespace gyre
