#include "train/token_log_p.hpp"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <map>
#include <string>

#include "train/tiny_spec.hpp"

namespace gyre::token_log_p_test {
namespace {

using torch::Tensor;

constexpr std::int64_t kTokens = 7;

struct Learned {
  Tensor log_p;
  Tensor of_states;                      ///< gradient
  std::map<std::string, Tensor> of_all;  ///< gradients by parameter
};

/// Weighs the tokens unlike one another, so that a gradient that came to another token would be seen.
Learned learned(const ModelSpec& spec, bool states_learn, std::int64_t together) {
  const TorchModel model(spec, 3);
  torch::manual_seed(5);
  const Tensor states = torch::randn({kTokens, spec.hidden_size}).set_requires_grad(states_learn);
  const Tensor targets = torch::tensor({3, 0, 10, 4, 4, 9, 1}, torch::kLong);
  Learned result;
  result.log_p = log_p_of(model, states, targets, Precision::f32, together);
  (result.log_p * torch::arange(1, kTokens + 1)).sum().backward();
  if (states_learn) result.of_states = states.grad();
  for (const std::string& name : model.names()) {
    if (model.parameter(name).grad().defined()) result.of_all[name] = model.parameter(name).grad();
  }
  return result;
}

double difference(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(TokenLogP, IsTheLogSoftmaxAtTheTarget) {
  const TorchModel model(tiny_spec(), 3);
  torch::manual_seed(5);
  const Tensor states = torch::randn({kTokens, tiny_spec().hidden_size});
  const Tensor targets = torch::tensor({3, 0, 10, 4, 4, 9, 1}, torch::kLong);
  const Tensor logits = model.logits(states, Precision::f32).to(torch::kDouble);
  const Tensor expected =
      (logits - torch::log(torch::exp(logits).sum(1, true))).gather(1, targets.unsqueeze(1)).squeeze(1);
  EXPECT_LT(difference(log_p_of(model, states, targets, Precision::f32, 1000), expected), 1e-5);
  const torch::NoGradGuard no_gradient;
  EXPECT_LT(difference(log_p_of(model, states, targets, Precision::f32, 22), expected), 1e-5) << "two tokens together";
}

TEST(TokenLogP, PiecesGiveTheNumbersAndGradientsOfTheWhole) {
  ModelSpec own_head = tiny_spec();
  own_head.tied_head = false;
  own_head.logit_softcap = 2;
  for (const ModelSpec& spec : {tiny_spec(), own_head}) {
    const Learned whole = learned(spec, true, 1000);
    ASSERT_GE(whole.of_all.size(), 2U) << "the head and the norm before it";
    for (const std::int64_t together : {1, 11, 22, 40, 76}) {  // 1, 1, 2, 3 and 6 tokens
      const Learned pieces = learned(spec, true, together);
      EXPECT_LT(difference(pieces.log_p, whole.log_p), 1e-6) << together;
      EXPECT_LT(difference(pieces.of_states, whole.of_states), 1e-6) << together;
      ASSERT_EQ(pieces.of_all.size(), whole.of_all.size());
      for (const auto& [name, gradient] : whole.of_all) {
        EXPECT_LT(difference(pieces.of_all.at(name), gradient), 1e-5) << name << ", " << together;
      }
    }
  }
}

TEST(TokenLogP, AHeadLearnsWithoutStatesThatDo) {
  const Learned whole = learned(tiny_spec(), false, 1000);
  const Learned pieces = learned(tiny_spec(), false, 11);
  ASSERT_FALSE(pieces.of_all.empty());
  for (const auto& [name, gradient] : whole.of_all) {
    EXPECT_LT(difference(pieces.of_all.at(name), gradient), 1e-5) << name;
  }
}

}  // namespace
}  // namespace gyre::token_log_p_test
