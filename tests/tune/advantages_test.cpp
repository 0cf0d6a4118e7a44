#include "tune/advantages.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.hpp"

namespace gyre::advantages_test {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

auto near(double value) { return DoubleNear(value, 1e-12); }

// Group 1 has the mean 2 and the sample deviation √((1 + 0 + 1) / 2) = 1, group 2 is flat.
TEST(GroupAdvantages, AreInDeviationsOfASample) {
  const std::vector<double> rewards = {1, 2, 3, 0.1, 0.1, 0.1};
  const double unit = 1 + 1e-4;
  EXPECT_THAT(group_advantages(rewards, 3, AdvantageScale::deviation),
              ElementsAre(near(-1 / unit), near(0), near(1 / unit), 0, 0, 0));
  EXPECT_THAT(group_advantages(rewards, 3, AdvantageScale::deviation, 0.5),
              ElementsAre(near(-1 / 1.5), near(0), near(1 / 1.5), 0, 0, 0));
  EXPECT_EQ(flat_groups(rewards, 3), 1U);
}

TEST(GroupAdvantages, MayBeLeftUnscaled) {
  EXPECT_THAT(group_advantages(std::vector<double>{1, 4, 5, 5}, 2, AdvantageScale::none),
              ElementsAre(near(-1.5), near(1.5), 0, 0));
}

TEST(GroupAdvantages, NeedWholeGroupsOfNumbers) {
  const std::vector<double> rewards = {1, 2, 3};
  EXPECT_THROW(group_advantages(rewards, 2, AdvantageScale::none), Error);
  EXPECT_THROW(group_advantages(rewards, 1, AdvantageScale::none), Error);
  EXPECT_THROW(group_advantages(std::vector<double>{1, std::nan("")}, 2, AdvantageScale::none), Error);
}

TEST(TokenLoss, IsTheClippedGainAndTheDivergence) {
  const PolicyLossSettings plain{0.2, 0.3, 0};
  const auto loss = [&](double ratio, double advantage) {
    return token_loss({std::log(ratio), 0, 0}, advantage, plain);
  };
  EXPECT_NEAR(loss(1, 2), -2, 1e-12);
  EXPECT_NEAR(loss(1.2, 2), -2.4, 1e-12);
  EXPECT_NEAR(loss(1.5, 2), -2.6, 1e-12);  // clipped at 1.3
  EXPECT_NEAR(loss(0.5, 2), -1, 1e-12);    // a gain that fell is not clipped
  EXPECT_NEAR(loss(0.5, -2), 1.6, 1e-12);  // clipped at 0.8
  EXPECT_NEAR(loss(1.5, -2), 3, 1e-12);
  const auto clipped = [&](double ratio, double advantage) {
    return is_clipped({std::log(ratio), 0, 0}, advantage, plain);
  };
  EXPECT_TRUE(clipped(1.5, 2));
  EXPECT_FALSE(clipped(1.25, 2));
  EXPECT_FALSE(clipped(0.5, 2));
  EXPECT_TRUE(clipped(0.5, -2));
  EXPECT_FALSE(clipped(1.5, -2));
  // π = 1/2, π_ref = 1/4: e^d = 1/2, so k3 = 1/2 + ln 2 − 1.
  const double k3 = std::log(2) - 0.5;
  EXPECT_NEAR(k3_divergence(std::log(0.5), std::log(0.25)), k3, 1e-12);
  EXPECT_EQ(k3_divergence(-3, -3), 0);
  EXPECT_NEAR(token_loss({std::log(0.5), std::log(0.5), std::log(0.25)}, 1, {0.2, 0.2, 0.1}), -1 + 0.1 * k3, 1e-12);
  EXPECT_EQ(token_loss({0, 0, -std::numeric_limits<double>::infinity()}, 1, plain),
            -1);  // no reference without a weight
}

TEST(BatchLoss, IsAMeanOverWhatIsAskedFor) {
  const std::vector<std::vector<double>> losses = {{1, 2, 3}, {4}, {}};
  EXPECT_NEAR(batch_loss(losses, LossMean::completions), (2.0 + 4) / 3, 1e-12);
  EXPECT_NEAR(batch_loss(losses, LossMean::tokens), 10.0 / 4, 1e-12);
  EXPECT_NEAR(batch_loss(losses, LossMean::longest, 5), 10.0 / 15, 1e-12);
  EXPECT_THROW(batch_loss(losses, LossMean::longest), Error);
  EXPECT_THROW(batch_loss(std::vector<std::vector<double>>{{}, {}}, LossMean::tokens), Error);
}

}  // namespace
}  // namespace gyre::advantages_test
