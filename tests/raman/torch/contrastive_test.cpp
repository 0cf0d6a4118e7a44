#include "raman/torch/contrastive.hpp"

#include <gtest/gtest.h>
#include <torch/autograd.h>
#include <torch/utils.h>

#include <cmath>
#include <vector>

namespace gyre::raman::contrastive_test {
namespace {

TEST(ContrastiveLoss, IsTheShareOfTheSpecimenAmongAllOthers) {
  // Two of specimen 4, one of specimen 9, one whose specimen is not known.
  const torch::Tensor rows = torch::tensor({1.0F, 0.0F, 0.6F, 0.8F, 0.0F, 1.0F, -1.0F, 0.0F}).reshape({4, 2});
  const std::vector<int> specimens = {4, 4, 9, -1};
  const double t = 0.5;
  const auto term = [&](double positive, std::vector<double> others) {
    double sum = std::exp(positive / t);
    for (const double other : others) sum += std::exp(other / t);
    return -std::log(std::exp(positive / t) / sum);
  };
  const double expected = 0.5 * (term(0.6, {0, -1}) + term(0.6, {0.8, -0.6}));
  EXPECT_NEAR(contrastive_loss(rows, specimens, t).item<double>(), expected, 1e-5);
}

TEST(ContrastiveLoss, IsNothingWithoutPairs) {
  const torch::Tensor rows = torch::eye(3).set_requires_grad(true);
  const torch::Tensor loss = contrastive_loss(rows, std::vector<int>{1, 2, -1}, 0.1);
  EXPECT_EQ(loss.item<double>(), 0);
  EXPECT_EQ(torch::autograd::grad({loss}, {rows})[0].abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace gyre::raman::contrastive_test
