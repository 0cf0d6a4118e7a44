#include <gtest/gtest.h>

#include <cmath>

#include "train/tiny_spec.hpp"
#include "train/torch_model.hpp"

namespace gyre::truncated_gradient_test {
namespace {

using torch::Tensor;

constexpr int kPositions = 7;

/// A model whose every layer is simple enough to write down again below.
ModelSpec plain_spec(Injection injection) {
  ModelSpec spec = tiny_spec();
  spec.position = PositionKind::learned;
  spec.mlp = MlpKind::relu_squared;
  spec.kv_heads = spec.heads;
  spec.final_norm = false;
  spec.groups[1].loops = 3;
  spec.groups[1].injection = injection;
  return spec;
}

Tensor tokens() { return torch::arange(2 * kPositions, torch::kLong).remainder(11).view({2, kPositions}); }

/// Larger weights than the first ones, so that no path is too weak to be seen.
void enlarge(const TorchModel& model) {
  const torch::NoGradGuard no_gradient;
  for (const std::string& name : model.names()) {
    Tensor parameter = model.parameter(name);
    parameter.add_(torch::randn(parameter.sizes()), 0.2);
  }
}

/// The layers of plain_spec in plain operations.
class ByHand {
 public:
  explicit ByHand(const TorchModel& model, double dropout = 0)
      : model_(model), spec_(model.spec()), dropout_(dropout) {}

  [[nodiscard]] Tensor embed() const {
    return drop(torch::embedding(weight("embed"), tokens()) + weight("position").narrow(0, 0, kPositions));
  }

  [[nodiscard]] Tensor loop(int group, const Tensor& state, const Tensor& handed) const {
    const Injection injection = spec_.groups[static_cast<std::size_t>(group)].injection;
    const std::string name = "groups." + std::to_string(group);
    Tensor x = state;
    if (injection == Injection::add) x = x + handed;
    if (injection == Injection::linear) x = torch::linear(torch::cat({x, handed}, -1), weight(name + ".inject"));
    x = x + drop(attention(name + ".layers.0.attn", x));
    return x + drop(mlp(name + ".layers.0.mlp", x));
  }

 private:
  [[nodiscard]] const Tensor& weight(const std::string& name) const { return model_.parameter(name + ".weight"); }

  [[nodiscard]] Tensor drop(const Tensor& x) const { return dropout_ > 0 ? torch::dropout(x, dropout_, true) : x; }

  [[nodiscard]] Tensor norm(const std::string& name, const Tensor& x) const {
    return x * torch::rsqrt(x.square().mean(-1, true) + spec_.norm_eps) * weight(name);
  }

  [[nodiscard]] Tensor attention(const std::string& name, const Tensor& x) const {
    const Tensor qkv = torch::linear(norm(name + ".norm_in", x), weight(name + ".qkv"));
    const Tensor parts = qkv.view({2, kPositions, 3, spec_.heads, spec_.head_size}).permute({2, 0, 3, 1, 4});
    const Tensor later = torch::ones({kPositions, kPositions}).triu(1).to(torch::kBool);
    const Tensor scores = torch::matmul(parts[0], parts[1].transpose(-2, -1)) / std::sqrt(spec_.head_size);
    const Tensor mixed = torch::matmul(torch::softmax(scores.masked_fill(later, -INFINITY), -1), parts[2]);
    return torch::linear(mixed.transpose(1, 2).reshape({2, kPositions, -1}), weight(name + ".out"));
  }

  [[nodiscard]] Tensor mlp(const std::string& name, const Tensor& x) const {
    const Tensor up = torch::linear(norm(name + ".norm_in", x), weight(name + ".up"));
    return torch::linear(torch::relu(up).square(), weight(name + ".down"));
  }

  const TorchModel& model_;
  const ModelSpec& spec_;
  double dropout_;
};

/// Backward of a fixed random functional of `states`; the gradients by parameter, the model's own cleared.
std::map<std::string, Tensor> gradients(const TorchModel& model, const Tensor& states) {
  torch::manual_seed(8);
  (states * torch::randn(states.sizes())).sum().backward();
  std::map<std::string, Tensor> result;
  for (const std::string& name : model.names()) {
    Tensor parameter = model.parameter(name);
    result[name] = parameter.grad();
    parameter.mutable_grad() = Tensor();
  }
  return result;
}

void expect_equal(const std::map<std::string, Tensor>& actual, const std::map<std::string, Tensor>& expected) {
  for (const auto& [name, gradient] : expected) {
    ASSERT_EQ(actual.at(name).defined(), gradient.defined()) << name;
    if (!gradient.defined()) continue;
    const double scale = gradient.abs().max().item<double>();
    EXPECT_GT(scale, 0) << name;
    EXPECT_LE((actual.at(name) - gradient).abs().max().item<double>(), 1e-4 * scale) << name;
  }
}

ForwardOptions options_of(const TorchModel& model, int backprop_loops) {
  return {model.spec().default_loops(), backprop_loops, Precision::f32, 0.0F, {}};
}

// The same draws of the same generator, on the embedding and on every branch, in loops without gradient too.
TEST(Dropout, IsOnTheEmbeddingAndOnEveryBranch) {
  const TorchModel model(plain_spec(Injection::add), 3);
  enlarge(model);
  const ByHand hand(model, 0.3);
  ForwardOptions options = options_of(model, 1);
  options.dropout = 0.3F;
  torch::manual_seed(5);
  const Tensor actual = model.states(tokens(), options);
  torch::manual_seed(5);
  const Tensor embedded = hand.embed();
  const Tensor handed = hand.loop(0, embedded, embedded);
  Tensor x = handed;
  for (int loop = 0; loop < 3; ++loop) x = hand.loop(1, x, handed);
  EXPECT_LE((actual - x).abs().max().item<double>(), 1e-4 * x.abs().max().item<double>());
}

class TruncatedGradient : public testing::TestWithParam<Injection> {};

TEST_P(TruncatedGradient, GoesThroughTheLastLoopsAlone) {
  const TorchModel model(plain_spec(GetParam()), 3);
  enlarge(model);
  const ByHand hand(model);
  for (const int kept : {1, 2}) {
    const auto actual = gradients(model, model.states(tokens(), options_of(model, kept)));
    const Tensor embedded = hand.embed();
    const Tensor handed = hand.loop(0, embedded, embedded);
    Tensor x = handed.detach();
    for (int loop = 0; loop < 3 - kept; ++loop) x = hand.loop(1, x, handed).detach();
    // Without injection nothing but the state leads back to the prelude: it counts as passed on unchanged.
    if (GetParam() == Injection::none) x = x + handed - handed.detach();
    for (int loop = 0; loop < kept; ++loop) x = hand.loop(1, x, handed);
    expect_equal(actual, gradients(model, x));
  }
}

TEST_P(TruncatedGradient, ThroughAllLoopsIsTheWholeGradient) {
  const TorchModel model(plain_spec(GetParam()), 3);
  enlarge(model);
  const ByHand hand(model);
  const Tensor embedded = hand.embed();
  const Tensor handed = hand.loop(0, embedded, embedded);
  Tensor x = handed;
  for (int loop = 0; loop < 3; ++loop) x = hand.loop(1, x, handed);
  const auto expected = gradients(model, x);
  for (const int kept : {0, 3, 5}) {
    expect_equal(gradients(model, model.states(tokens(), options_of(model, kept))), expected);
  }
}

TEST_P(TruncatedGradient, ReachesTheEmbedding) {
  const TorchModel model(plain_spec(GetParam()), 3);
  enlarge(model);
  const auto found = gradients(model, model.states(tokens(), options_of(model, 1)));
  for (const std::string name : {"embed.weight", "position.weight", "groups.0.layers.0.mlp.up.weight"}) {
    ASSERT_TRUE(found.at(name).defined()) << name;
    EXPECT_GT(found.at(name).abs().max().item<double>(), 1e-3) << name;
  }
}

TEST_P(TruncatedGradient, LeavesTheStatesAsTheyAre) {
  const TorchModel model(plain_spec(GetParam()), 3);
  enlarge(model);
  const Tensor whole = model.states(tokens(), options_of(model, 0));
  const Tensor cut = model.states(tokens(), options_of(model, 1));
  EXPECT_LE((whole - cut).abs().max().item<double>(), 1e-5 * whole.abs().max().item<double>());
}

// What is dropped must not depend on where the gradient stops, or the first loops would see another network.
TEST_P(TruncatedGradient, LeavesTheStatesAsTheyAreUnderDropout) {
  const TorchModel model(plain_spec(GetParam()), 3);
  enlarge(model);
  const auto states = [&](int backprop_loops) {
    ForwardOptions options = options_of(model, backprop_loops);
    options.dropout = 0.3F;
    torch::manual_seed(21);
    return model.states(tokens(), options).detach();
  };
  EXPECT_TRUE(torch::equal(states(0), states(0)));
  EXPECT_LE((states(0) - states(1)).abs().max().item<double>(), 1e-5 * states(0).abs().max().item<double>());
}

INSTANTIATE_TEST_SUITE_P(Injections, TruncatedGradient,
                         testing::Values(Injection::none, Injection::add, Injection::linear));

}  // namespace
}  // namespace gyre::truncated_gradient_test
