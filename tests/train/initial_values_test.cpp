#include <gtest/gtest.h>

#include <cmath>

#include "train/tiny_spec.hpp"
#include "train/torch_model.hpp"

namespace gyre::initial_values_test {
namespace {

using torch::Tensor;

ModelSpec wide_spec() {
  ModelSpec spec = tiny_spec();
  spec.vocab_size = 200;
  spec.hidden_size = 64;
  spec.heads = 4;
  spec.kv_heads = 4;
  spec.head_size = 16;
  spec.ffn_size = 96;
  spec.biases = true;
  spec.groups[0].layers = 2;
  spec.groups[1].loops = 3;
  spec.groups[1].injection = Injection::linear;
  return spec;
}

constexpr double kFirstGain = 5;

double spread(const Tensor& x) { return x.detach().to(torch::kDouble).square().mean().sqrt().item<double>(); }

// Two layers once and one three times are five applications: 0.02 / sqrt(10) for what writes into the state.
TEST(InitialValues, AreThoseOfGpt2WithTheApplicationsOfEachLayerCounted) {
  const TorchModel model(wide_spec(), 1);
  const double narrow = 0.02 / std::sqrt(10.0);
  EXPECT_NEAR(spread(model.parameter("embed.weight")), 0.02, 0.0006);
  for (const std::string layer : {"groups.0.layers.1", "groups.1.layers.0"}) {
    EXPECT_NEAR(spread(model.parameter(layer + ".attn.qkv.weight")), 0.02, 0.0006) << layer;
    EXPECT_NEAR(spread(model.parameter(layer + ".mlp.up.weight")), 0.02, 0.0006) << layer;
    EXPECT_NEAR(spread(model.parameter(layer + ".attn.out.weight")), narrow, 0.03 * narrow) << layer;
    EXPECT_NEAR(spread(model.parameter(layer + ".mlp.down.weight")), narrow, 0.03 * narrow) << layer;
    EXPECT_EQ(spread(model.parameter(layer + ".mlp.down.bias")), 0) << layer;
    EXPECT_TRUE(torch::equal(model.parameter(layer + ".mlp.norm_in.weight"), torch::ones({64}))) << layer;
  }
  EXPECT_TRUE(torch::equal(model.parameter("final_norm.weight"), torch::ones({64})));
}

TEST(InitialValues, OfALinearInjectionAreTheMeanOfStateAndInput) {
  const TorchModel model(wide_spec(), 1);
  const Tensor half = 0.5 * torch::eye(64);
  const Tensor rest = model.parameter("groups.1.inject.weight").detach() - torch::cat({half, half}, 1);
  EXPECT_NEAR(spread(rest), 0.02, 0.0006);
}

// Two layers run three and one times: four applications, and one of the second group.
TEST(InitialValues, OfMixesAndSkipsLeaveTheStateToItself) {
  ModelSpec spec = wide_spec();
  spec.embedding_mix = spec.branch_scales = spec.query_gain = true;
  spec.groups[0].order = {0, 1, 0, 0};
  spec.groups[0].skips = {{0, 3}};
  spec.groups[1].loops = 1;
  const TorchModel model(spec, 1);
  const auto all = [&](const std::string& name, double value) {
    const Tensor& x = model.parameter(name);
    EXPECT_TRUE(torch::equal(x, torch::full(x.sizes(), value))) << name;
  };
  all("groups.0.layers.1.mix.state", 1);
  all("groups.0.layers.1.mix.embedding", 0);
  all("groups.0.layers.1.attn.scale", 1);
  all("groups.0.layers.1.mlp.scale", 1);
  all("groups.0.layers.1.attn.query_gain", kFirstGain);
  all("groups.0.skips.0.weight", 1);
  all("groups.0.skips.0.gate", 0);
  const double narrow = 0.02 / std::sqrt(10.0);
  EXPECT_NEAR(spread(model.parameter("groups.0.layers.1.attn.out.weight")), narrow, 0.03 * narrow);
}

TEST(InitialValues, DependOnTheSeedAlone) {
  const Tensor one = TorchModel(wide_spec(), 1).parameter("embed.weight");
  torch::randn({5});
  EXPECT_TRUE(torch::equal(TorchModel(wide_spec(), 1).parameter("embed.weight"), one));
  EXPECT_FALSE(torch::equal(TorchModel(wide_spec(), 2).parameter("embed.weight"), one));
}

}  // namespace
}  // namespace gyre::initial_values_test
