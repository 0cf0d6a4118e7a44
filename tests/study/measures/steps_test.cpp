#include "study/measures/steps.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

namespace gyre::steps_test {
namespace {

TEST(ContractionRatio, OfALineThatDecaysByHalf) {
  const std::vector<float> limit = {1, 2};
  std::vector<std::vector<float>> path;
  for (int k = 0; k < 5; ++k) path.push_back({1 + std::ldexp(4.0F, -k), 2 - std::ldexp(8.0F, -k)});
  for (std::size_t k = 2; k < path.size(); ++k) {
    EXPECT_DOUBLE_EQ(contraction_ratio(distance(path[k], path[k - 1]), distance(path[k - 1], path[k - 2])), 0.5);
  }
  // One more loop halves what is left: the last step is as long as the way from there to the limit.
  EXPECT_DOUBLE_EQ(fixed_point_residual(path[3], path[4]), distance(path[4], limit) / length(path[3]));
  EXPECT_TRUE(std::isnan(contraction_ratio(1, 0)));
  EXPECT_TRUE(std::isnan(fixed_point_residual(std::vector<float>{0, 0}, path[0])));
}

TEST(Length, IsSummedBeyondWhatF32Holds) {
  EXPECT_DOUBLE_EQ(length(std::vector<float>{3e30F, 4e30F}),
                   std::hypot(static_cast<double>(3e30F), static_cast<double>(4e30F)));
  EXPECT_DOUBLE_EQ(distance(std::vector<float>{1e8F, 0}, std::vector<float>{1e8F, 2}), 2);
}

TEST(Curvature, OfACircleIsTheAngleOverTheChord) {
  // Steps of a turn by 0.2 on a circle of radius 3: chords of 6 sin 0.1, which turn by 0.2.
  const double chord = 6 * std::sin(0.1);
  EXPECT_NEAR(curvature(std::cos(0.2), chord, chord), 0.2 / chord, 1e-12);
  EXPECT_NEAR(curvature(std::cos(0.2), chord, chord), 1.0 / 3, 1e-3);
  EXPECT_DOUBLE_EQ(curvature(-1.0000001, 1, 3), std::numbers::pi / 2);  // rounding does not leave what has an angle
  EXPECT_TRUE(std::isnan(curvature(0, 0, 1)));
  EXPECT_TRUE(std::isnan(curvature(0, 1, 0)));
  EXPECT_TRUE(std::isnan(curvature(std::numeric_limits<double>::quiet_NaN(), 1, 1)));
}

}  // namespace
}  // namespace gyre::steps_test
