#include "study/exits/exit_comparison.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace gyre::exit_comparison_test {
namespace {

/// Units of `tokens` tokens each, with so many loops and so much cross-entropy a token.
UnitSums units(const std::vector<double>& loops, const std::vector<double>& costs, double tokens = 10) {
  UnitSums sums(loops.size());
  for (std::size_t u = 0; u < loops.size(); ++u) {
    sums.tokens[u] = tokens;
    sums.loops[u] = tokens * loops[u];
    sums.cross_entropy[u] = tokens * costs[u];
    sums.kl[u] = 2 * tokens * costs[u];
    sums.disagreement[u] = 3 * tokens * costs[u];
  }
  return sums;
}

TEST(CostLine, IsStraightBetweenItsPointsAndUnknownOutside) {
  const CostLine line({{4, 1}, {1, 7}, {2, 3}});  // in any order
  EXPECT_DOUBLE_EQ(line.at(1), 7);
  EXPECT_DOUBLE_EQ(line.at(1.5), 5);
  EXPECT_DOUBLE_EQ(line.at(2), 3);
  EXPECT_DOUBLE_EQ(line.at(3.5), 1.5);
  EXPECT_DOUBLE_EQ(line.at(4), 1);
  EXPECT_TRUE(std::isnan(line.at(0.99)));
  EXPECT_TRUE(std::isnan(line.at(4.01)));
  EXPECT_DOUBLE_EQ(line.at(4 + 1e-12), 1);  // beside its end by rounding
}

TEST(CostLine, MeanIsAnAreaOverItsLoops) {
  EXPECT_DOUBLE_EQ(CostLine({{1, 4}, {3, 0}}).mean(), 2);
  // From 1 to 2 the mean is 3, from 2 to 5 it is 1: (3 + 3 · 1) / 4.
  EXPECT_DOUBLE_EQ(CostLine({{5, 0}, {1, 4}, {2, 2}}).mean(), 1.5);
  EXPECT_TRUE(std::isnan(CostLine({{2, 3}}).mean()));
}

TEST(CostDifference, IsPairedUnitByUnit) {
  const Bootstrap bootstrap(3);
  // Units differ by hundreds, the two by 0.25 in each.
  const UnitSums trial = units({4, 5, 6}, {1.25, 300.25, 900.25});
  const UnitSums control = units({4, 5, 6}, {1, 300, 900});
  const Estimate difference = cost_difference(bootstrap, trial, control, ExitCost::cross_entropy);
  EXPECT_DOUBLE_EQ(difference.value, 0.25);
  EXPECT_NEAR(difference.interval.low, 0.25, 1e-12);
  EXPECT_NEAR(difference.interval.high, 0.25, 1e-12);
  EXPECT_DOUBLE_EQ(cost_difference(bootstrap, trial, control, ExitCost::kl).value, 0.5);
  EXPECT_DOUBLE_EQ(cost_difference(bootstrap, trial, control, ExitCost::disagreement).value, 0.75);
}

TEST(CostAboveConstants, IsHeldAgainstTheLineAtTheLoopsOfTheSameResample) {
  // Constants cost 8 - 2 × loops in the first unit and twice that in the second.
  std::vector<UnitSums> constants;
  for (const double loops : {1.0, 2.0, 3.0})
    constants.push_back(units({loops, loops}, {8 - 2 * loops, 16 - 4 * loops}));
  // A trial of 1.5 and 2.5 loops that costs 0.5 more than the line of each unit, 5 and 6.
  const Estimate above =
      cost_above_constants(Bootstrap(2), units({1.5, 2.5}, {5.5, 6.5}), constants, ExitCost::cross_entropy);
  // Together: 2 loops, where constants cost (4 + 8) / 2; the trial costs 6.
  EXPECT_NEAR(above.value, 0, 1e-12);
  // Of the first unit twice, or the second: 0.5 each.
  EXPECT_NEAR(above.interval.high, 0.5, 1e-12);
  EXPECT_NEAR(above.interval.low, 0, 1e-12);
  EXPECT_EQ(above.units, 2U);
}

TEST(FrontDifference, IsTheMeanHeightOverTheConstants) {
  const std::vector<UnitSums> constants = {units({1, 1}, {4, 4}), units({3, 3}, {2, 2})};
  // 0.3 above the line at 1.5, 0.1 at 2.5.
  const std::vector<UnitSums> points = {units({2.5, 2.5}, {2.6, 2.6}), units({1.5, 1.5}, {3.8, 3.8})};
  EXPECT_NEAR(front_difference(Bootstrap(2), points, constants, ExitCost::cross_entropy).value, 0.2, 1e-12);
  const std::vector<UnitSums> one = {points[0]};
  EXPECT_TRUE(std::isnan(front_difference(Bootstrap(2), one, constants, ExitCost::cross_entropy).value));
}

TEST(FrontDifference, FewPointsOnConstantsThatBendAreNotAboveThem) {
  // (loops - 4)²; a straight line from 9 at 1 loop to 1 at 3 is 5 at 2, where the constant has 4.
  std::vector<UnitSums> constants;
  for (const double loops : {1.0, 2.0, 3.0}) {
    const double cost = (loops - 4) * (loops - 4);
    constants.push_back(units({loops, loops}, {cost, cost}));
  }
  const std::vector<UnitSums> points = {constants[0], constants[2]};
  EXPECT_NEAR(front_difference(Bootstrap(2), points, constants, ExitCost::cross_entropy).value, 0, 1e-12);
}

TEST(MeanOf, IsTakenUnitByUnit) {
  const std::vector<UnitSums> two = {units({2, 4}, {1, 3}), units({4, 6}, {2, 5})};
  const UnitSums mean = mean_of(two);
  EXPECT_EQ(mean.tokens, (std::vector<double>{10, 10}));
  EXPECT_EQ(mean.loops, (std::vector<double>{30, 50}));
  EXPECT_EQ(mean.cross_entropy, (std::vector<double>{15, 40}));
}

}  // namespace
}  // namespace gyre::exit_comparison_test
