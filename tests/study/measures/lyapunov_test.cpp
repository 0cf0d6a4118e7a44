#include "study/measures/lyapunov.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace gyre::lyapunov_test {
namespace {

/// x ← A x of the columns, A of three rows.
void apply(const std::vector<double>& map, Directions& directions) {
  for (std::size_t j = 0; j < directions.count(); ++j) {
    const std::span<double> x = directions.column(j);
    const std::vector<double> old(x.begin(), x.end());
    for (std::size_t r = 0; r < 3; ++r) {
      x[r] = map[3 * r] * old[0] + map[3 * r + 1] * old[1] + map[3 * r + 2] * old[2];
    }
  }
}

TEST(Directions, GrowByTheExponentsOfALinearMap) {
  // Triangular: eigenvalues 2, 1/2, 1/4, whatever stands above them.
  const std::vector<double> map = {2, 1, 3, 0, 0.5, 1, 0, 0, 0.25};
  Directions directions(3, 3, 1);
  std::vector<double> sums(3, 0.0);
  for (int k = 0; k < 60; ++k) {
    apply(map, directions);
    const std::vector<double> growth = directions.orthonormalise();
    for (std::size_t j = 0; j < 3 && k >= 20; ++j) sums[j] += growth[j] / 40;
  }
  EXPECT_NEAR(sums[0], std::log(2.0), 1e-6);
  EXPECT_NEAR(sums[1], std::log(0.5), 1e-6);
  EXPECT_NEAR(sums[2], std::log(0.25), 1e-6);
}

TEST(Directions, StayOrthonormal) {
  Directions directions(3, 5, 2);
  ASSERT_EQ(directions.count(), 3U);  // there are no more
  apply({1, 0, 0, 1e-3, 1e-3, 0, 0, 1e-3, 1e-6}, directions);
  directions.orthonormalise();
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      double product = 0;
      for (std::size_t c = 0; c < 3; ++c) product += directions.column(i)[c] * directions.column(j)[c];
      EXPECT_NEAR(product, i == j ? 1 : 0, 1e-12);
    }
  }
}

TEST(Directions, OneThatVanishesIsSaidSoAndDrawnAnew) {
  Directions directions(3, 2, 3);
  apply({1, 0, 0, 0, 0, 0, 0, 0, 0}, directions);  // all of space becomes a line
  const std::vector<double> growth = directions.orthonormalise();
  EXPECT_TRUE(std::isfinite(growth[0]));
  EXPECT_EQ(growth[1], -std::numeric_limits<double>::infinity());
  double product = 0;
  double size = 0;
  for (std::size_t c = 0; c < 3; ++c) {
    product += directions.column(0)[c] * directions.column(1)[c];
    size += directions.column(1)[c] * directions.column(1)[c];
  }
  EXPECT_NEAR(product, 0, 1e-12);
  EXPECT_NEAR(size, 1, 1e-12);
}

TEST(LargestSingularValue, OfAKnownMap) {
  // Rotated by a quarter turn and stretched: singular values 3 and 2, eigenvalues ±i √6.
  const std::vector<double> turn = {0, -3, 2, 0};
  EXPECT_NEAR(largest_singular_value(turn, 2), 3, 1e-9);
  EXPECT_NEAR(spectral_radius(turn, 2), std::sqrt(6.0), 1e-9);
  // What shrinks in the long run may grow at first.
  const std::vector<double> shear = {0.5, 10, 0, 0.5};
  EXPECT_NEAR(spectral_radius(shear, 2), 0.5, 1e-6);
  EXPECT_GT(largest_singular_value(shear, 2), 10);
}

}  // namespace
}  // namespace gyre::lyapunov_test
