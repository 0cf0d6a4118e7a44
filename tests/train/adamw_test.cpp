#include "train/adamw.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.hpp"
#include "train/config.hpp"
#include "train/tiny_spec.hpp"
#include "train/torch_model.hpp"

namespace gyre::adamw_test {
namespace {

using torch::Tensor;

/// The update of the paper for one parameter, in f64.
struct ByHand {
  Tensor value;
  Tensor first;
  Tensor second;

  void update(const Tensor& gradient, const TrainConfig& config, double rate, double decay, int step) {
    const double beta1 = config.beta1;
    const double beta2 = config.beta2;
    first = beta1 * first + (1 - beta1) * gradient;
    second = beta2 * second + (1 - beta2) * gradient.square();
    const Tensor mean = first / (1 - std::pow(beta1, step));
    const Tensor spread = (second / (1 - std::pow(beta2, step))).sqrt();
    value = value - rate * decay * value - rate * mean / (spread + config.epsilon);
  }
};

class AdamWUpdate : public testing::Test {
 protected:
  AdamWUpdate() : model_(tiny_spec(), 4) {}

  /// Gives every parameter a random gradient; returns the global norm of all of them.
  double set_gradients(double size) {
    double squares = 0;
    for (const std::string& name : model_.names()) {
      Tensor parameter = model_.parameter(name);
      parameter.mutable_grad() = size * torch::randn(parameter.sizes());
      squares += parameter.grad().to(torch::kDouble).square().sum().item<double>();
    }
    return std::sqrt(squares);
  }

  void expect_update_by_hand(const TrainConfig& config, double gradient_size) {
    AdamW optimiser(model_, config);
    std::map<std::string, ByHand> hand;
    for (const std::string& name : model_.names()) {
      const Tensor value = model_.parameter(name).detach().to(torch::kDouble).clone();
      hand[name] = {value, torch::zeros_like(value), torch::zeros_like(value)};
    }
    for (int step = 1; step <= 5; ++step) {
      const double rate = 0.01 * step;
      const double norm = set_gradients(gradient_size);
      const double scale = config.clip > 0 ? std::min(1.0, config.clip / norm) : 1.0;
      for (auto& [name, one] : hand) {
        const Tensor& parameter = model_.parameter(name);
        const double decay = parameter.dim() >= 2 ? config.weight_decay : 0;
        one.update(scale * parameter.grad().to(torch::kDouble), config, rate, decay, step);
      }
      EXPECT_NEAR(optimiser.update(model_, rate, step), norm, 1e-4 * norm);
      for (const auto& [name, one] : hand) {
        const Tensor& parameter = model_.parameter(name);
        EXPECT_LE((parameter.detach() - one.value).abs().max().item<double>(), 2e-5) << name << ", step " << step;
        EXPECT_FALSE(parameter.grad().defined()) << name;
      }
    }
  }

  TorchModel model_;
};

TEST_F(AdamWUpdate, FollowsThePaperAndDecaysMatricesAlone) {
  TrainConfig config;
  config.weight_decay = 0.5F;
  config.clip = 0;
  expect_update_by_hand(config, 1.0);
}

TEST_F(AdamWUpdate, ScalesLargeGradientsDownToTheClip) {
  TrainConfig config;
  config.epsilon = 1e-2F;  // makes the size of the gradient matter
  config.clip = 0.7F;
  expect_update_by_hand(config, 1.0);
}

TEST_F(AdamWUpdate, LeavesSmallGradientsAsTheyAre) {
  TrainConfig config;
  config.epsilon = 1e-2F;
  config.clip = 1e3F;
  expect_update_by_hand(config, 0.01);
}

// The squares of such gradients lie below the least normal number: rows of a large vocabulary have them.
TEST_F(AdamWUpdate, TakesGradientsWhoseSquaresAreDenormal) {
  TrainConfig config;
  AdamW optimiser(model_, config);
  const std::string name = model_.names().front();
  Tensor parameter = model_.parameter(name);
  for (const double size : {1e-19, 3e-20, 1e-21, 1e-23}) {
    parameter.mutable_grad() = torch::full(parameter.sizes(), size);
    optimiser.update(model_, 0.01, 1);
    EXPECT_TRUE(parameter.isfinite().all().item<bool>()) << size;
  }
}

TEST_F(AdamWUpdate, LeavesParametersWithoutAGradientAlone) {
  AdamW optimiser(model_, TrainConfig{});
  Tensor embedding = model_.parameter("embed.weight");
  const Tensor before = embedding.detach().clone();
  EXPECT_EQ(optimiser.update(model_, 0.1, 1), 0);
  EXPECT_TRUE(torch::equal(embedding, before));
}

// One number, first step: both means are corrected to the gradient itself, so the step is the rate: 1 - 0.1 · 0.5 · 1 -
// 0.1 · 1 = 0.85 for a matrix, which decays, and 1 - 0.1 = 0.9 for a vector, which does not.
TEST_F(AdamWUpdate, MovesByTheRateInItsFirstStepAndDecaysNoVector) {
  TrainConfig config;
  config.weight_decay = 0.5F;
  config.clip = 0;
  AdamW optimiser(model_, config);
  for (const std::string& name : model_.names()) {
    Tensor parameter = model_.parameter(name);
    const torch::NoGradGuard no_gradient;
    parameter.fill_(1);
    parameter.mutable_grad() = torch::full(parameter.sizes(), 3.0F);
  }
  optimiser.update(model_, 0.1, 1);
  for (const std::string& name : model_.names()) {
    const Tensor& parameter = model_.parameter(name);
    const double expected = parameter.dim() == 1 ? 0.9 : 0.85;
    EXPECT_LE((parameter.detach() - expected).abs().max().item<double>(), 1e-6) << name;
  }
  for (const AdamW::Slot& slot : optimiser.slots()) {
    EXPECT_LE((slot.first - 0.1 * 3).abs().max().item<double>(), 1e-6) << slot.name;
    EXPECT_LE((slot.second - 0.05 * 9).abs().max().item<double>(), 1e-6) << slot.name;
  }
}

TEST_F(AdamWUpdate, ChangesNothingWhenAGradientIsNotFinite) {
  for (const float bad : {NAN, INFINITY, -INFINITY, 1e30F}) {  // the square of 1e30 is beyond f32
    AdamW optimiser(model_, TrainConfig{});
    set_gradients(1.0);
    std::map<std::string, Tensor> before;
    for (const std::string& name : model_.names()) before[name] = model_.parameter(name).detach().clone();
    const std::string last = model_.names().back();
    Tensor parameter = model_.parameter(last);
    parameter.mutable_grad().view({-1})[2] = bad;
    try {
      optimiser.update(model_, 0.1, 17);
      ADD_FAILURE() << "no error for " << bad;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("step 17"), testing::HasSubstr(last)));
    }
    for (const std::string& name : model_.names()) {
      EXPECT_TRUE(torch::equal(model_.parameter(name), before[name])) << name;
    }
    for (const AdamW::Slot& slot : optimiser.slots()) {
      EXPECT_EQ(slot.first.abs().max().item<double>(), 0) << slot.name;
      EXPECT_EQ(slot.second.abs().max().item<double>(), 0) << slot.name;
    }
  }
}

TEST(AdamW, ThePlainUpdateIsThePaperOnes) {
  // One number by hand: g = 2 · 0.5 = 1, m = 0.9 · 0.5 + 0.1 = 0.55, v = 0.75 · 4 + 0.25 = 3.25,
  // p = 0.5 · 3 − 0.1 · 0.55 / (2 √3.25 + 0.01).
  const AdamRule rule{.rate = 0.1F,
                      .second_scale = 2.0F,
                      .decay = 0.5F,
                      .gradient_scale = 0.5F,
                      .beta1 = 0.9F,
                      .beta2 = 0.75F,
                      .epsilon = 0.01F};
  const Tensor parameter = torch::full({1}, 3.0F).set_requires_grad(true);
  Tensor first = torch::full({1}, 0.5F);
  Tensor second = torch::full({1}, 4.0F);
  plain_adam_update(rule, parameter, torch::full({1}, 2.0F), first, second);
  EXPECT_NEAR(first.item<double>(), 0.55, 1e-6);
  EXPECT_NEAR(second.item<double>(), 3.25, 1e-6);
  EXPECT_NEAR(parameter.item<double>(), 1.5 - 0.055 / (2 * std::sqrt(3.25) + 0.01), 1e-6);
}

}  // namespace
}  // namespace gyre::adamw_test
