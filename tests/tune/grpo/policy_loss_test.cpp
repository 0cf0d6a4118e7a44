#include "tune/grpo/policy_loss.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/utils.h>

#include <cmath>

namespace gyre::policy_loss_test {
namespace {

using ::testing::DoubleEq;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using torch::Tensor;

Tensor row(const std::vector<double>& values) { return torch::tensor(values, torch::kDouble); }

TEST(PolicyLoss, IsThatOfItsTokensOneByOne) {
  const std::vector<double> now = {-1.0, -0.2, -3.0, -1.0, -0.5};
  const std::vector<double> sampled = {-1.0, -0.9, -1.2, -0.3, -0.4};
  const std::vector<double> advantages = {1.0, 2.0, -1.0, -0.5, 0.0};
  const std::vector<double> reference = {-1.5, -0.2, -2.0, -1.0, -0.1};
  const std::vector<double> shares = {0.1, 0.2, 0.3, 0.4, 0.5};
  const PolicyLossSettings settings{0.2, 0.3, 0.7};
  double expected = 0;
  for (std::size_t i = 0; i < now.size(); ++i) {
    expected += shares[i] * token_loss({now[i], sampled[i], reference[i]}, advantages[i], settings);
  }
  const Tensor loss = policy_term({row(now), row(sampled), row(advantages), row(shares)}, settings) +
                      settings.kl_weight * divergence_term(row(now), row(reference), row(shares));
  EXPECT_THAT(loss.item<double>(), DoubleNear(expected, 1e-9));
}

TEST(PolicyLoss, HasNoGradientWhereTheClipHolds) {
  // Ratios e^0.5 and e^-0.5 lie outside 0.8 … 1.2: the first is held for a good token, the second for a bad one.
  const Tensor now = row({0.5, 0.5, -0.5, -0.5, 0.1}).set_requires_grad(true);
  const PolicyTokens tokens{now, torch::zeros({5}, torch::kDouble), row({1, -1, 1, -1, 2}), row({1, 1, 1, 1, 1})};
  policy_term(tokens, {0.2, 0.2, 0}).backward();
  const Tensor gradient = now.grad();
  EXPECT_EQ(gradient[0].item<double>(), 0);
  EXPECT_THAT(gradient[1].item<double>(), DoubleNear(std::exp(0.5), 1e-12));
  EXPECT_THAT(gradient[2].item<double>(), DoubleNear(-std::exp(-0.5), 1e-12));
  EXPECT_EQ(gradient[3].item<double>(), 0);
  EXPECT_THAT(gradient[4].item<double>(), DoubleNear(-2 * std::exp(0.1), 1e-12));
}

TEST(PolicyLoss, SharesMakeTheMeansOfTheForms) {
  const std::vector<std::size_t> lengths = {4, 1, 0};
  EXPECT_THAT(token_shares(lengths, LossMean::completions, 8), ElementsAre(DoubleEq(1.0 / 12), DoubleEq(1.0 / 3), 0));
  EXPECT_THAT(token_shares(lengths, LossMean::tokens, 8), ElementsAre(DoubleEq(0.2), DoubleEq(0.2), 0));
  EXPECT_THAT(token_shares(lengths, LossMean::longest, 8), ElementsAre(DoubleEq(1.0 / 24), DoubleEq(1.0 / 24), 0));
  const std::vector<std::vector<double>> losses = {{1, 2, 3, 4}, {5}, {}};
  for (const LossMean mean : {LossMean::completions, LossMean::tokens, LossMean::longest}) {
    const std::vector<double> shares = token_shares(lengths, mean, 8);
    EXPECT_THAT(shares[0] * 10 + shares[1] * 5, DoubleNear(batch_loss(losses, mean, 8), 1e-12));
  }
}

TEST(LoopCredit, OfLoopsGrowsWithThem) {
  EXPECT_THAT(progressive_weights(4, 0), ElementsAre(0.25, 0.25, 0.25, 0.25));
  EXPECT_THAT(progressive_weights(4, 1), ElementsAre(DoubleEq(0.1), DoubleEq(0.2), DoubleEq(0.3), DoubleEq(0.4)));
}

TEST(LoopCredit, OfAnExitGateIsTheChanceToLeaveThere) {
  // Chances 1/2, 1/4 and, whatever the last gate says, all that is left.
  const Tensor gates = torch::tensor({0.0, std::log(1.0 / 3), 5.0}, torch::kDouble).unsqueeze(1);
  const Tensor p = exit_probabilities(gates);
  EXPECT_THAT(p[0][0].item<double>(), DoubleNear(0.5, 1e-12));
  EXPECT_THAT(p[1][0].item<double>(), DoubleNear(0.125, 1e-12));
  EXPECT_THAT(p[2][0].item<double>(), DoubleNear(0.375, 1e-12));
}

}  // namespace
}  // namespace gyre::policy_loss_test
