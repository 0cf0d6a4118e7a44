#include <gtest/gtest.h>

#include <cmath>

#include "train/small_spec.hpp"
#include "train/torch_model.hpp"

namespace gyre {
namespace {

using torch::Tensor;

ModelSpec wide_spec() {
  ModelSpec spec = small_spec();
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

TEST(InitialValues, DependOnTheSeedAlone) {
  const Tensor one = TorchModel(wide_spec(), 1).parameter("embed.weight");
  torch::randn({5});
  EXPECT_TRUE(torch::equal(TorchModel(wide_spec(), 1).parameter("embed.weight"), one));
  EXPECT_FALSE(torch::equal(TorchModel(wide_spec(), 2).parameter("embed.weight"), one));
}

}  // namespace
}  // namespace gyre
