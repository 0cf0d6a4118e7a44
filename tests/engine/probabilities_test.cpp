#include "engine/probabilities.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace gyre::probabilities_test {
namespace {

const std::vector<float> kHalves = {std::log(0.5F), std::log(0.5F)};
const std::vector<float> kQuarters = {std::log(0.25F), std::log(0.75F)};

TEST(Probabilities, LogSoftmaxIsShiftedByTheLogarithmOfTheSum) {
  // e^1000 leaves the floats; what counts is the distance to the largest.
  std::vector<float> log_p(3);
  log_softmax(std::vector<float>{1000, 1000 + std::log(2.0F), 1000}, log_p);
  EXPECT_NEAR(log_p[0], std::log(0.25F), 1e-4F);
  EXPECT_NEAR(log_p[1], std::log(0.5F), 1e-4F);
  EXPECT_NEAR(log_p[2], std::log(0.25F), 1e-4F);
}

TEST(Probabilities, TheDivergenceIsOfTheFirstFromTheSecond) {
  // 1/2 ln(0.5 / 0.25) + 1/2 ln(0.5 / 0.75), and 1/4 ln(0.25 / 0.5) + 3/4 ln(0.75 / 0.5).
  EXPECT_NEAR(kl_divergence(kHalves, kQuarters), 0.143841, 1e-6);
  EXPECT_NEAR(kl_divergence(kQuarters, kHalves), 0.130812, 1e-6);
  EXPECT_EQ(kl_divergence(kQuarters, kQuarters), 0);
}

TEST(Probabilities, EntropyIsInNats) {
  EXPECT_NEAR(entropy(kHalves), std::log(2.0), 1e-6);
  EXPECT_NEAR(entropy(kQuarters), 0.562335, 1e-6);
  EXPECT_NEAR(entropy(std::vector<float>{0.0F}), 0, 1e-12);
}

}  // namespace
}  // namespace gyre::probabilities_test
