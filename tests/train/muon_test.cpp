#include "train/muon.hpp"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <cmath>

#include "scratch_folder.hpp"
#include "train/adamw.hpp"
#include "train/checkpoint.hpp"
#include "train/config.hpp"
#include "train/tiny_spec.hpp"
#include "train/torch_model.hpp"

namespace gyre::muon_test {
namespace {

using torch::Tensor;

/// What five steps make of a singular value of the scaled matrix.
double five_steps(double s) {
  for (int i = 0; i < 5; ++i) s = 3.4445 * s - 4.7750 * std::pow(s, 3) + 2.0315 * std::pow(s, 5);
  return s;
}

// The iteration acts on each singular value alone: of a diagonal matrix it is known number by number.
TEST(Muon, ActsOnTheSingularValuesAlone) {
  const Tensor diagonal = torch::diag(torch::tensor({3.0F, -4.0F}));
  const Tensor expected =
      torch::diag(torch::tensor({static_cast<float>(five_steps(0.6)), static_cast<float>(-five_steps(0.8))}));
  EXPECT_LE((orthogonalised(diagonal) - expected).abs().max().item<double>(), 1e-5);
  EXPECT_NEAR(five_steps(0.6), 0.7, 0.1);  // the published coefficients: near one, and not at it
  EXPECT_EQ(orthogonalised(torch::zeros({2, 3})).abs().max().item<double>(), 0);
}

TEST(Muon, OrthogonalisesWideAndTallMatricesAlike) {
  torch::manual_seed(3);
  const Tensor wide = torch::randn({5, 12});
  const Tensor made = orthogonalised(wide);
  EXPECT_EQ(made.sizes(), wide.sizes());
  EXPECT_LE((orthogonalised(wide.t()) - made.t()).abs().max().item<double>(), 1e-5);
  // The same directions, with singular values near one: M = U S V', so that U' O V is diagonal.
  const auto [u, s, v] = torch::svd(wide);
  const Tensor inner = u.t().mm(made).mm(v);
  for (int i = 0; i < 5; ++i) {
    for (int j = 0; j < 5; ++j) {
      const double expected = i == j ? five_steps(s[i].item<double>() / wide.norm().item<double>()) : 0;
      EXPECT_NEAR(inner[i][j].item<double>(), expected, 1e-4) << i << ", " << j;
    }
  }
}

// By hand, 2 x 2 diagonal: M = 0.25 G after one step, and Nesterov's sum is a multiple of G, whose size does not count.
// An update has the size 0.2 sqrt(2); the decay is 1 - 0.1 * 0.5.
TEST(Muon, StepByHand) {
  TrainConfig config;
  config.momentum = 0.75F;
  config.weight_decay = 0.5F;
  const Tensor gradient = torch::diag(torch::tensor({3.0F, 4.0F}));
  const Tensor weight = torch::ones({2, 2});
  Tensor momentum = torch::zeros({2, 2});
  update_by_muon(weight, gradient, momentum, config, 0.1);
  EXPECT_LE((momentum - 0.25 * gradient).abs().max().item<double>(), 1e-6);
  const double size = 0.1 * 0.2 * std::sqrt(2.0);
  EXPECT_NEAR(weight[0][0].item<double>(), 0.95 - size * five_steps(0.6), 1e-5);
  EXPECT_NEAR(weight[1][1].item<double>(), 0.95 - size * five_steps(0.8), 1e-5);
  EXPECT_NEAR(weight[0][1].item<double>(), 0.95, 1e-6);
  // Then G = diag(0, 8): M = 0.75 (0.75, 1) + 0.25 (0, 8), and the sum is 0.75 M + 0.25 G.
  const double before = weight[0][0].item<double>();
  update_by_muon(weight, torch::diag(torch::tensor({0.0F, 8.0F})), momentum, config, 0.1);
  EXPECT_LE((momentum - torch::diag(torch::tensor({0.5625F, 2.75F}))).abs().max().item<double>(), 1e-6);
  const double first = 0.421875 / std::hypot(0.421875, 4.0625);
  EXPECT_NEAR(weight[0][0].item<double>(), 0.95 * before - size * five_steps(first), 1e-5);
}

/// Gives every parameter of `model` the same gradient whenever it is called with the same seed.
void set_gradients(const TorchModel& model, int seed) {
  torch::manual_seed(seed);
  for (const std::string& name : model.names()) {
    Tensor parameter = model.parameter(name);
    parameter.mutable_grad() = torch::randn(parameter.sizes());
  }
}

TEST(Muon, TakesTheMatricesOfGroupsAndLeavesTheRestToAdamW) {
  TrainConfig config;
  TorchModel plain(tiny_spec(), 4);
  AdamW adamw(plain, config);
  config.optimiser = OptimiserKind::muon;
  TorchModel model(tiny_spec(), 4);
  AdamW muon(model, config);
  set_gradients(plain, 7);
  set_gradients(model, 7);
  const double norm = adamw.update(plain, 0.1, 1);
  ASSERT_GT(norm, 1);  // so that the gradient is scaled down to the clip
  EXPECT_EQ(muon.update(model, 0.1, 1), norm);
  for (const AdamW::Slot& slot : muon.slots()) {
    const bool matrix = slot.name.starts_with("groups.") && slot.first.dim() == 2;
    EXPECT_EQ(slot.second.defined(), !matrix) << slot.name;
    EXPECT_EQ(torch::equal(model.parameter(slot.name), plain.parameter(slot.name)), !matrix) << slot.name;
    EXPECT_FALSE(model.parameter(slot.name).grad().defined()) << slot.name;
  }
  set_gradients(plain, 7);
  for (const AdamW::Slot& slot : muon.slots()) {
    if (slot.second.defined()) continue;
    const Tensor expected = 0.05 / norm * plain.parameter(slot.name).grad();
    EXPECT_LE((slot.first - expected).abs().max().item<double>(), 1e-6) << slot.name;
  }
}

TEST(Muon, GoesOnFromACheckpointAsIfNothingHadBeen) {
  const ScratchFolder scratch;
  TrainConfig config;
  config.optimiser = OptimiserKind::muon;
  TorchModel model(tiny_spec(), 4);
  AdamW optimiser(model, config);
  set_gradients(model, 1);
  optimiser.update(model, 0.1, 1);
  write_parameters(scratch / "model.safetensors", model, DType::f32);
  write_optimiser(scratch.path(), optimiser, 1, nlohmann::json::object());
  TorchModel other(tiny_spec(), 5);
  AdamW resumed(other, config);
  EXPECT_EQ(read_checkpoint(scratch.path(), other, resumed), 1);
  set_gradients(model, 2);
  set_gradients(other, 2);
  optimiser.update(model, 0.1, 2);
  resumed.update(other, 0.1, 2);
  for (const std::string& name : model.names()) {
    EXPECT_TRUE(torch::equal(model.parameter(name), other.parameter(name))) << name;
  }
}

}  // namespace
}  // namespace gyre::muon_test
