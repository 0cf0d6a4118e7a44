#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "study/exits/exit_trials.hpp"
#include "study/statistics.hpp"

namespace gyre {

/// What leaving early costs.
enum class ExitCost : std::uint8_t {
  cross_entropy,
  kl,
  disagreement,
  error,  ///< of a task: the share of its items that are answered wrongly
};
std::string_view name_of(ExitCost cost);
/// Of each unit, summed over its tokens, or its items.
std::span<const double> costs_of(const UnitSums& sums, ExitCost cost);
/// What that is divided by: tokens, or items.
std::span<const double> counts_of(const UnitSums& sums, ExitCost cost);

/// A line through points (loops/token, cost per token or item), straight between neighbours.
class CostLine {
 public:
  explicit CostLine(std::vector<std::pair<double, double>> points);

  [[nodiscard]] double first() const { return points_.front().first; }
  [[nodiscard]] double last() const { return points_.back().first; }
  /// NaN outside its ends.
  [[nodiscard]] double at(double loops) const;
  /// The mean over the loops from its first point to its last; NaN where these are one.
  [[nodiscard]] double mean() const;

 private:
  std::vector<std::pair<double, double>> points_;  ///< ascending in loops
};

/// Trial − control, per token or item, on the same units.
Estimate cost_difference(const Bootstrap& bootstrap, const UnitSums& trial, const UnitSums& control, ExitCost cost);

/// Trial − constant depths at the loops/token of the trial, between two of them where it lies between. Loops and costs
/// are those of the resample alike.
Estimate cost_above_constants(const Bootstrap& bootstrap, const UnitSums& trial, std::span<const UnitSums> constants,
                              ExitCost cost);

/// The mean height of a rule's points over the constants, over the loops/token that the points span: below 0 the rule
/// is the better one there. What is straight between the points is their heights, not their costs: a straight line of
/// costs between few points would lie above constants that bend, also where every point lies on them.
Estimate front_difference(const Bootstrap& bootstrap, std::span<const UnitSums> points,
                          std::span<const UnitSums> constants, ExitCost cost);

/// Unit by unit the mean of several, as of a control that was drawn several times.
UnitSums mean_of(std::span<const UnitSums> several);

}  // namespace gyre
