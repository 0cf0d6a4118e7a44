#include "train/fused_ops.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "train/plain_ops.hpp"
#include "train/row_places.hpp"
#include "train/tiny_spec.hpp"

namespace gyre::fused_ops_test {
namespace {

using torch::Tensor;
using Operation = std::function<Tensor(const std::vector<Tensor>&)>;

double largest(const Tensor& x) { return x.numel() == 0 ? 0 : x.abs().max().item<double>(); }

void expect_close(const Tensor& actual, const Tensor& expected, double tolerance, const std::string& what) {
  ASSERT_EQ(actual.sizes(), expected.sizes()) << what;
  ASSERT_TRUE(actual.isfinite().all().item<bool>()) << what;
  EXPECT_LE(largest(actual - expected), tolerance * (1 + largest(expected))) << what;
}

/// Output and gradients of `operation` for an upstream gradient that is random but the same for every operation.
std::vector<Tensor> run(const Operation& operation, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> leaves;
  for (const Tensor& input : inputs) leaves.push_back(input.detach().clone().set_requires_grad(true));
  const Tensor out = operation(leaves);
  torch::manual_seed(99);
  (out * torch::randn(out.sizes())).sum().backward();
  std::vector<Tensor> results = {out.detach()};
  for (const Tensor& leaf : leaves) results.push_back(leaf.grad());
  return results;
}

void expect_same(const Operation& fused, const Operation& plain, const std::vector<Tensor>& inputs,
                 double tolerance = 1e-5) {
  const std::vector<Tensor> actual = run(fused, inputs);
  const std::vector<Tensor> expected = run(plain, inputs);
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_TRUE(actual[i].defined()) << "gradient " << i;
    expect_close(actual[i], expected[i], tolerance, i == 0 ? "output" : "gradient " + std::to_string(i));
  }
}

/// Every element within one rounding to bfloat16 (half a unit in the last of 8 bits; twice that for a tie that f32
/// noise tips over).
void expect_bf16_rounding(const Tensor& actual, const Tensor& expected) {
  ASSERT_EQ(actual.scalar_type(), torch::kBFloat16);
  ASSERT_EQ(actual.sizes(), expected.sizes());
  const Tensor bound = expected.abs() * std::ldexp(1.0, -8) + 1e-6 * (1 + largest(expected));
  EXPECT_TRUE((actual.to(torch::kFloat) - expected).abs().le(bound).all().item<bool>());
}

/// Random numbers that bfloat16 can hold, so that both precisions start from the same.
Tensor bf16_numbers(at::IntArrayRef shape) { return torch::randn(shape).to(torch::kBFloat16); }

/// Shapes with rows and widths that fill no vector, one number, and more rows than one task takes.
const std::vector<std::vector<std::int64_t>> kShapes = {{1, 1, 1}, {2, 3, 7}, {1, 5, 33}, {3, 67, 19}};

TEST(FusedNorm, RmsEqualsPlainOperationsAndTheirGradients) {
  torch::manual_seed(1);
  for (const auto& shape : kShapes) {
    for (const double eps : {1e-5, 0.1}) {
      const std::vector<Tensor> inputs = {2 * torch::randn(shape) + 0.5, 1 + 0.3 * torch::randn({shape.back()})};
      expect_same([&](const auto& in) { return fused_norm(in[0], in[1], Tensor(), NormKind::rms, eps, torch::kFloat); },
                  [&](const auto& in) { return plain_norm(in[0], in[1], Tensor(), NormKind::rms, eps, torch::kFloat); },
                  inputs);
    }
  }
}

TEST(FusedNorm, LayerEqualsPlainOperationsAndTheirGradients) {
  torch::manual_seed(2);
  for (const auto& shape : kShapes) {
    for (const double eps : {1e-5, 0.1}) {
      const std::vector<Tensor> inputs = {2 * torch::randn(shape) + 3, 1 + 0.3 * torch::randn({shape.back()}),
                                          torch::randn({shape.back()})};
      expect_same([&](const auto& in) { return fused_norm(in[0], in[1], in[2], NormKind::layer, eps, torch::kFloat); },
                  [&](const auto& in) { return plain_norm(in[0], in[1], in[2], NormKind::layer, eps, torch::kFloat); },
                  inputs, shape.back() == 1 ? 1e-3 : 2e-5);
    }
  }
}

TEST(FusedNorm, TakesInputsThatAreNotContiguous) {
  torch::manual_seed(3);
  const std::vector<Tensor> inputs = {torch::randn({9, 5, 4}), torch::randn({5})};
  expect_same(
      [](const auto& in) {
        return fused_norm(in[0].transpose(1, 2), in[1], Tensor(), NormKind::rms, 1e-5, torch::kFloat).transpose(0, 1);
      },
      [](const auto& in) {
        return plain_norm(in[0].transpose(1, 2), in[1], Tensor(), NormKind::rms, 1e-5, torch::kFloat).transpose(0, 1);
      },
      inputs);
}

TEST(FusedNorm, Bf16IsTheF32ResultRounded) {
  torch::manual_seed(4);
  const Tensor x = torch::randn({2, 9, 37});
  const Tensor weight = torch::randn({37});
  const Tensor bias = torch::randn({37});
  for (const NormKind kind : {NormKind::rms, NormKind::layer}) {
    expect_bf16_rounding(fused_norm(x, weight, bias, kind, 1e-5, torch::kBFloat16),
                         plain_norm(x, weight, bias, kind, 1e-5, torch::kFloat));
  }
}

/// How the first `positions` positions turn.
Turns turns_of(const ModelSpec& spec, std::int64_t positions) {
  return RowPlaces(spec, torch::zeros({1, positions}, torch::kLong), {}, {}).turns(false);
}

Tensor joined(const std::vector<Tensor>& parts) {
  return torch::cat({parts[0].flatten(), parts[1].flatten(), parts[2].flatten()});
}

ModelSpec head_spec(PositionKind position, int heads, int kv_heads, int head_size, int turned = 0) {
  ModelSpec spec = tiny_spec();
  spec.position = position;
  spec.heads = heads;
  spec.kv_heads = kv_heads;
  spec.head_size = head_size;
  spec.rotary_theta = 1000.0F;
  spec.rotary_channels = turned;
  return spec;
}

TEST(SplitHeads, EqualsPlainOperationsAndTheirGradients) {
  torch::manual_seed(5);
  for (const ModelSpec& spec :
       {head_spec(PositionKind::learned, 3, 3, 5), head_spec(PositionKind::learned, 4, 2, 1),
        head_spec(PositionKind::rotary_half, 3, 1, 6), head_spec(PositionKind::rotary_half, 2, 2, 2),
        head_spec(PositionKind::rotary_adjacent, 6, 3, 10), head_spec(PositionKind::rotary_adjacent, 1, 1, 14),
        head_spec(PositionKind::rotary_half, 3, 1, 10, 4), head_spec(PositionKind::rotary_adjacent, 2, 2, 7, 2)}) {
    for (const std::int64_t positions : {1, 7, 71}) {
      const Tensor qkv = torch::randn({2, positions, (spec.heads + 2 * spec.kv_heads) * spec.head_size});
      const Turns turns = turns_of(spec, positions);
      const std::vector<Tensor> parts = split_heads(qkv, spec, turns);
      const std::vector<Tensor> expected = plain_split_heads(qkv, spec, turns);
      for (std::size_t i = 0; i < 3; ++i) expect_close(parts[i], expected[i], 1e-5, "part " + std::to_string(i));
      expect_same([&](const auto& in) { return joined(split_heads(in[0], spec, turns)); },
                  [&](const auto& in) { return joined(plain_split_heads(in[0], spec, turns)); }, {qkv});
    }
  }
}

TEST(SplitHeads, GivesAGradientWhenOnlyOnePartIsUsed) {
  torch::manual_seed(6);
  const ModelSpec spec = head_spec(PositionKind::rotary_half, 2, 1, 4);
  const Tensor qkv = torch::randn({2, 5, 16});
  const Turns turns = turns_of(spec, 5);
  for (const std::size_t part : {0U, 1U, 2U}) {
    expect_same([&](const auto& in) { return split_heads(in[0], spec, turns)[part]; },
                [&](const auto& in) { return plain_split_heads(in[0], spec, turns)[part]; }, {qkv});
  }
}

TEST(SplitHeads, Bf16IsTheF32ResultRounded) {
  torch::manual_seed(7);
  for (const PositionKind kind : {PositionKind::learned, PositionKind::rotary_half, PositionKind::rotary_adjacent}) {
    const ModelSpec spec = head_spec(kind, 3, 1, 6);
    const Tensor qkv = bf16_numbers({2, 13, 30});
    const Turns turns = turns_of(spec, 13);
    const std::vector<Tensor> parts = split_heads(qkv, spec, turns);
    const std::vector<Tensor> expected = plain_split_heads(qkv.to(torch::kFloat), spec, turns);
    for (std::size_t i = 0; i < 3; ++i) expect_bf16_rounding(parts[i], expected[i]);
  }
}

TEST(VisibleSoftmax, EqualsPlainOperationsAndTheirGradients) {
  torch::manual_seed(8);
  for (const std::int64_t width : {1, 2, 7, 33, 71}) {
    for (const double scale : {0.3, 1.0}) {
      expect_same([&](const auto& in) { return visible_softmax(in[0], scale); },
                  [&](const auto& in) { return plain_visible_softmax(in[0], scale, {}); },
                  {3 * torch::randn({2, 3, width, width})});
    }
  }
}

TEST(VisibleSoftmax, OfColumnsThatEachPositionSeesEqualsPlainOperationsAndTheirGradients) {
  torch::manual_seed(18);
  const Tensor alike = torch::tensor({0, 3, 0, 3, 1, 3, 2, 4}, torch::kLong).view({1, 4, 2});
  const Tensor other = torch::tensor({0, 1, 1, 4, 1, 4, 3, 4}, torch::kLong).view({1, 4, 2});
  for (const Tensor& sight : {alike, torch::cat({alike, other})}) {
    const Tensor scores = 3 * torch::randn({2, 3, 4, 4});
    expect_same([&](const auto& in) { return visible_softmax(in[0], 0.7, sight); },
                [&](const auto& in) { return plain_visible_softmax(in[0], 0.7, sight); }, {scores});
    // Position 3 of the second row sees one column or two.
    EXPECT_EQ(visible_softmax(scores, 0.7, sight)[1][2][3].count_nonzero().item<int>(), sight.size(0) == 2 ? 1 : 2);
  }
}

TEST(VisibleSoftmax, SeesNothingOfLaterPositions) {
  torch::manual_seed(9);
  const Tensor scores = torch::randn({1, 2, 9, 9});
  const Tensor p = visible_softmax(scores, 0.5);
  EXPECT_EQ(largest(p.triu(1)), 0);
  expect_close(p.sum(-1), torch::ones({1, 2, 9}), 1e-6, "sums");
  const Tensor other = visible_softmax(scores + 50 * torch::ones({9, 9}).triu(1), 0.5);
  EXPECT_TRUE(torch::equal(p, other));
}

TEST(VisibleSoftmax, StaysFiniteForLargeScores) {
  torch::manual_seed(10);
  expect_same([](const auto& in) { return visible_softmax(in[0], 1.0); },
              [](const auto& in) { return plain_visible_softmax(in[0], 1.0, {}); },
              {1000 * torch::randn({1, 2, 9, 9})});
}

TEST(VisibleSoftmax, Bf16IsTheF32ResultRounded) {
  torch::manual_seed(11);
  const Tensor scores = bf16_numbers({2, 2, 17, 17});
  expect_bf16_rounding(visible_softmax(scores, 0.4), plain_visible_softmax(scores.to(torch::kFloat), 0.4, {}));
}

TEST(SiluGated, EqualsPlainOperationsAndTheirGradients) {
  torch::manual_seed(12);
  for (const auto& shape : std::vector<std::vector<std::int64_t>>{{1, 1, 2}, {2, 3, 14}, {3, 67, 38}}) {
    expect_same([](const auto& in) { return silu_gated(in[0]); },
                [](const auto& in) { return plain_silu_gated(in[0]); }, {4 * torch::randn(shape)});
  }
}

TEST(GeluTanh, EqualsPlainOperationsAndTheirGradients) {
  torch::manual_seed(14);
  for (const auto& shape : std::vector<std::vector<std::int64_t>>{{1, 1, 2}, {2, 3, 14}, {3, 67, 38}}) {
    expect_same([](const auto& in) { return gelu_tanh(in[0]); }, [](const auto& in) { return plain_gelu_tanh(in[0]); },
                {4 * torch::randn(shape)});
    expect_same([](const auto& in) { return gelu_tanh_gated(in[0]); },
                [](const auto& in) { return plain_gelu_tanh_gated(in[0]); }, {4 * torch::randn(shape)});
  }
}

TEST(GeluTanh, IsHalfOfANumberTimesOnePlusATanh) {
  // 1 · (1 + tanh(0.7978845608 · 1.044715)) / 2, and that of −1 is it less 1.
  const Tensor y = gelu_tanh(torch::tensor({{0.0F, 1.0F, -1.0F}}));
  EXPECT_FLOAT_EQ(y[0][0].item<float>(), 0.0F);
  EXPECT_NEAR(y[0][1].item<float>(), 0.8411920, 1e-6);
  EXPECT_NEAR(y[0][2].item<float>(), -0.1588080, 1e-6);
}

TEST(GeluTanh, StaysFiniteFarFromZero) {
  const Tensor x = torch::tensor({-300.0F, -20.0F, -8.0F, 8.0F, 20.0F, 300.0F, 1.0F, 2.0F, 3.0F, 1.0F, 2.0F, 3.0F});
  expect_same([](const auto& in) { return gelu_tanh(in[0]); }, [](const auto& in) { return plain_gelu_tanh(in[0]); },
              {x.view({1, 1, 12})});
  expect_same([](const auto& in) { return gelu_tanh_gated(in[0]); },
              [](const auto& in) { return plain_gelu_tanh_gated(in[0]); }, {x.view({1, 1, 12})});
}

TEST(GeluTanh, Bf16IsTheF32ResultRounded) {
  torch::manual_seed(15);
  const Tensor x = 4 * bf16_numbers({2, 5, 46});
  expect_bf16_rounding(gelu_tanh(x), plain_gelu_tanh(x.to(torch::kFloat)));
  expect_bf16_rounding(gelu_tanh_gated(x), plain_gelu_tanh_gated(x.to(torch::kFloat)));
}

TEST(SiluGated, StaysFiniteFarFromZero) {
  const Tensor x = torch::tensor({-300.0F, -95.0F, -88.0F, 88.0F, 95.0F, 300.0F, 1.0F, 2.0F, 3.0F, 1.0F, 2.0F, 3.0F});
  expect_same([](const auto& in) { return silu_gated(in[0]); }, [](const auto& in) { return plain_silu_gated(in[0]); },
              {x.view({1, 1, 12})});
}

TEST(SiluGated, Bf16IsTheF32ResultRounded) {
  torch::manual_seed(13);
  const Tensor x = 4 * bf16_numbers({2, 5, 46});
  expect_bf16_rounding(silu_gated(x), plain_silu_gated(x.to(torch::kFloat)));
}

}  // namespace
}  // namespace gyre::fused_ops_test
