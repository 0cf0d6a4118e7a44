#include "study/measures/dimension.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.hpp"

namespace gyre::dimension_test {
namespace {

/// Points spread evenly over a cube of `dimension` edges, each edge along two channels of 20.
std::vector<float> cube(std::size_t points, std::size_t dimension) {
  Random random(5);
  std::vector<float> result(points * 20, 0.0F);
  for (std::size_t t = 0; t < points; ++t) {
    for (std::size_t d = 0; d < dimension; ++d) {
      const auto place = static_cast<float>(random.uniform());
      result[t * 20 + 2 * d] = place;
      result[t * 20 + 2 * d + 1] = 100 - place;
    }
  }
  return result;
}

TEST(NearestDistances, AscendAndLeaveTwinsOut) {
  // On a line: 0, 1, 3, 7, and another 7.
  const std::vector<double> distances = nearest_distances(std::vector<float>{0, 1, 3, 7, 7}, 1, 2);
  const std::vector<double> wanted = {1, 3, 1, 2, 2, 3};
  ASSERT_EQ(distances.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(distances[i], wanted[i], 1e-9);
}

TEST(TwoNnDimension, OfCubes) {
  for (const std::size_t dimension : {1U, 2U, 4U}) {
    const auto distances = nearest_distances(cube(1000, dimension), 20, 10);
    EXPECT_NEAR(two_nn_dimension(distances, 10), static_cast<double>(dimension), 0.12 * static_cast<double>(dimension));
    EXPECT_NEAR(likelihood_dimension(distances, 10), static_cast<double>(dimension),
                0.12 * static_cast<double>(dimension));
  }
}

TEST(LikelihoodDimension, ByHand) {
  // Each point: log(e / 1) + log(e / e^0.5) = 1.5 for two distances.
  std::vector<double> distances;
  for (int i = 0; i < 10; ++i) distances.insert(distances.end(), {1, std::exp(0.5), std::exp(1.0)});
  EXPECT_NEAR(likelihood_dimension(distances, 3), 2 / 1.5, 1e-12);
  distances.resize(27);
  EXPECT_TRUE(std::isnan(likelihood_dimension(distances, 3)));
  EXPECT_TRUE(std::isnan(two_nn_dimension(distances, 3)));
}

TEST(TwoNnDimension, IsTheSlopeOfTheRatios) {
  // Ratios whose distribution is exactly that of three dimensions.
  std::vector<double> distances;
  for (int i = 1; i <= 50; ++i) {
    const double left = 1 - i / 50.0;
    distances.insert(distances.end(), {2, 2 * (i < 50 ? std::pow(left, -1.0 / 3) : 9)});
  }
  EXPECT_NEAR(two_nn_dimension(distances, 2), 3, 1e-9);
}

}  // namespace
}  // namespace gyre::dimension_test
