#include "study/measures/attention.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace gyre::attention_test {
namespace {

TEST(EntropyOfScores, OfEqualScoresIsTheLogarithmOfTheirNumber) {
  EXPECT_DOUBLE_EQ(entropy_of_scores(std::vector<double>{3}), 0);
  EXPECT_DOUBLE_EQ(entropy_of_scores(std::vector<double>(7, -2.5)), std::log(7));
}

TEST(EntropyOfScores, OfAQuarterAndThreeQuarters) {
  const double wanted = -(0.25 * std::log(0.25) + 0.75 * std::log(0.75));
  EXPECT_NEAR(entropy_of_scores(std::vector<double>{std::log(0.25), std::log(0.75)}), wanted, 1e-15);
  EXPECT_NEAR(entropy_of_scores(std::vector<double>{100 + std::log(3), 100}), wanted, 1e-12);
}

TEST(EntropyOfScores, OfOneFarAboveTheOthersIsZero) {
  EXPECT_DOUBLE_EQ(entropy_of_scores(std::vector<double>{-5e3, 5e3, 0}), 0);
}

TEST(EntropyOfScores, OfNothingIsUndefined) {
  EXPECT_TRUE(std::isnan(entropy_of_scores({})));
  EXPECT_TRUE(std::isnan(entropy_of_scores(std::vector<double>{1, std::nan("")})));
}

}  // namespace
}  // namespace gyre::attention_test
