#include "study/measures/spectrum.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.hpp"

namespace gyre::spectrum_test {
namespace {

TEST(SingularValues, OfPointsByHand) {
  // About their mean (5, 7): ±(3, 0) and ±(0, 1), twice each; of squares 2 · 9 and 2 · 1.
  const std::vector<float> points = {8, 7, 2, 7, 5, 8, 5, 6};
  const std::vector<double> values = singular_values(points, 2);
  ASSERT_EQ(values.size(), 2U);
  EXPECT_NEAR(values[0], std::sqrt(18.0), 1e-9);
  EXPECT_NEAR(values[1], std::sqrt(2.0), 1e-9);
}

TEST(SingularValues, AreTheSameOfFewPointsAndOfFewChannels) {
  // Three points in four channels: the smaller product is that of points.
  const std::vector<double> wide = singular_values(std::vector<float>{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}, 4);
  ASSERT_EQ(wide.size(), 3U);
  EXPECT_NEAR(wide[0], 1, 1e-9);
  EXPECT_NEAR(wide[1], 1, 1e-9);
  EXPECT_EQ(wide[2], 0);  // three points about their mean lie in a plane
}

TEST(EffectiveRank, CountsEqualDirections) {
  EXPECT_NEAR(effective_rank(std::vector<double>{2, 2, 2, 0, 0}), 3, 1e-12);
  EXPECT_NEAR(effective_rank(std::vector<double>{5, 0}), 1, 1e-12);
  // p = 3/4, 1/4.
  EXPECT_NEAR(effective_rank(std::vector<double>{3, 1}), std::exp(0.75 * std::log(4.0 / 3) + 0.25 * std::log(4.0)),
              1e-12);
  EXPECT_TRUE(std::isnan(effective_rank(std::vector<double>{0, 0})));
}

TEST(EffectiveRank, OfPointsInAKnownNumberOfDirections) {
  // Five directions of the same size among forty channels.
  Random random(3);
  std::vector<float> points(600 * 40, 0.0F);
  for (std::size_t t = 0; t < 600; ++t) {
    for (std::size_t c = 0; c < 5; ++c) points[t * 40 + 7 * c] = static_cast<float>(10 + random.normal());
  }
  EXPECT_NEAR(effective_rank(singular_values(points, 40)), 5, 0.05);
}

TEST(SpectrumDecay, OfAPowerLaw) {
  std::vector<double> values;
  for (int i = 1; i <= 100; ++i) values.push_back(std::pow(i, -0.6));
  EXPECT_NEAR(spectrum_decay(values), 1.2, 1e-9);
  // Neither the head nor the tail counts.
  values[0] = 50;
  for (std::size_t i = 51; i < 100; ++i) values[i] *= 1e-3;
  EXPECT_NEAR(spectrum_decay(values), 1.2, 1e-9);
  values.resize(60);
  values.resize(600, 0.0);
  EXPECT_NEAR(spectrum_decay(values), 1.2, 1e-9);  // what is 0 is no part of the spectrum
  EXPECT_TRUE(std::isnan(spectrum_decay(std::vector<double>{3, 2, 1, 0})));
}

}  // namespace
}  // namespace gyre::spectrum_test
