#include "train/fused_ops.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "train/small_spec.hpp"

namespace gyre {
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

Tensor plain_norm(NormKind kind, double eps, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (kind == NormKind::layer) return torch::layer_norm(x, {x.size(-1)}, weight, bias, eps);
  return x * torch::rsqrt(x.square().mean(-1, true) + eps) * weight;
}

/// Shapes with rows and widths that fill no vector, one number, and more rows than one task takes.
const std::vector<std::vector<std::int64_t>> kShapes = {{1, 1, 1}, {2, 3, 7}, {1, 5, 33}, {3, 67, 19}};

TEST(FusedNorm, RmsEqualsPlainOperationsAndTheirGradients) {
  torch::manual_seed(1);
  for (const auto& shape : kShapes) {
    for (const double eps : {1e-5, 0.1}) {
      const std::vector<Tensor> inputs = {2 * torch::randn(shape) + 0.5, 1 + 0.3 * torch::randn({shape.back()})};
      expect_same([&](const auto& in) { return fused_norm(in[0], in[1], Tensor(), NormKind::rms, eps, torch::kFloat); },
                  [&](const auto& in) { return plain_norm(NormKind::rms, eps, in[0], in[1], Tensor()); }, inputs);
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
                  [&](const auto& in) { return plain_norm(NormKind::layer, eps, in[0], in[1], in[2]); }, inputs,
                  shape.back() == 1 ? 1e-3 : 2e-5);
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
        return plain_norm(NormKind::rms, 1e-5, in[0].transpose(1, 2), in[1], Tensor()).transpose(0, 1);
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
                         plain_norm(kind, 1e-5, x, weight, bias));
  }
}

/// x [rows, heads, positions, head_size] turned by its positions.
Tensor plain_rotary(const Tensor& x, const ModelSpec& spec) {
  if (spec.position == PositionKind::learned) return x;
  const std::int64_t turned = spec.rotary_channels;
  if (turned > 0) {  // those, as a head of their own, and the others
    ModelSpec whole = spec;
    whole.rotary_channels = 0;
    return torch::cat({plain_rotary(x.narrow(-1, 0, turned), whole), x.narrow(-1, turned, x.size(-1) - turned)}, -1);
  }
  const std::int64_t pairs = x.size(-1) / 2;
  const auto f64 = torch::TensorOptions().dtype(torch::kDouble);
  const Tensor exponent = -torch::arange(pairs, f64) / static_cast<double>(pairs);
  const Tensor frequency = torch::pow(static_cast<double>(spec.rotary_theta), exponent);
  const Tensor angle = torch::arange(x.size(2), f64).unsqueeze(1) * frequency;
  const Tensor cosine = angle.cos().to(torch::kFloat);
  const Tensor sine = angle.sin().to(torch::kFloat);
  if (spec.position == PositionKind::rotary_half) {
    const Tensor a = x.narrow(-1, 0, pairs);
    const Tensor b = x.narrow(-1, pairs, pairs);
    return torch::cat({a * cosine - b * sine, b * cosine + a * sine}, -1);
  }
  const Tensor couples = x.reshape({x.size(0), x.size(1), x.size(2), pairs, 2});
  const Tensor a = couples.select(-1, 0);
  const Tensor b = couples.select(-1, 1);
  return torch::stack({a * cosine - b * sine, b * cosine + a * sine}, -1).flatten(-2);
}

std::vector<Tensor> plain_split(const Tensor& qkv, const ModelSpec& spec) {
  const Tensor slots =
      qkv.view({qkv.size(0), qkv.size(1), spec.heads + 2 * spec.kv_heads, spec.head_size}).transpose(1, 2);
  return {plain_rotary(slots.narrow(1, 0, spec.heads), spec),
          plain_rotary(slots.narrow(1, spec.heads, spec.kv_heads), spec),
          slots.narrow(1, spec.heads + spec.kv_heads, spec.kv_heads)};
}

Tensor joined(const std::vector<Tensor>& parts) {
  return torch::cat({parts[0].flatten(), parts[1].flatten(), parts[2].flatten()});
}

ModelSpec head_spec(PositionKind position, int heads, int kv_heads, int head_size, int turned = 0) {
  ModelSpec spec = small_spec();
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
      const std::vector<Tensor> parts = split_heads(qkv, spec);
      const std::vector<Tensor> expected = plain_split(qkv, spec);
      for (std::size_t i = 0; i < 3; ++i) expect_close(parts[i], expected[i], 1e-5, "part " + std::to_string(i));
      expect_same([&](const auto& in) { return joined(split_heads(in[0], spec)); },
                  [&](const auto& in) { return joined(plain_split(in[0], spec)); }, {qkv});
    }
  }
}

TEST(SplitHeads, GivesAGradientWhenOnlyOnePartIsUsed) {
  torch::manual_seed(6);
  const ModelSpec spec = head_spec(PositionKind::rotary_half, 2, 1, 4);
  const Tensor qkv = torch::randn({2, 5, 16});
  for (const std::size_t part : {0U, 1U, 2U}) {
    expect_same([&](const auto& in) { return split_heads(in[0], spec)[part]; },
                [&](const auto& in) { return plain_split(in[0], spec)[part]; }, {qkv});
  }
}

TEST(SplitHeads, Bf16IsTheF32ResultRounded) {
  torch::manual_seed(7);
  for (const PositionKind kind : {PositionKind::learned, PositionKind::rotary_half, PositionKind::rotary_adjacent}) {
    const ModelSpec spec = head_spec(kind, 3, 1, 6);
    const Tensor qkv = bf16_numbers({2, 13, 30});
    const std::vector<Tensor> parts = split_heads(qkv, spec);
    const std::vector<Tensor> expected = plain_split(qkv.to(torch::kFloat), spec);
    for (std::size_t i = 0; i < 3; ++i) expect_bf16_rounding(parts[i], expected[i]);
  }
}

Tensor plain_softmax(const Tensor& scores, double scale) {
  const std::int64_t width = scores.size(-1);
  const Tensor later = torch::ones({width, width}).triu(1).to(torch::kBool);
  return torch::softmax((scores * scale).masked_fill(later, -INFINITY), -1);
}

TEST(CausalSoftmax, EqualsPlainOperationsAndTheirGradients) {
  torch::manual_seed(8);
  for (const std::int64_t width : {1, 2, 7, 33, 71}) {
    for (const double scale : {0.3, 1.0}) {
      expect_same([&](const auto& in) { return causal_softmax(in[0], scale); },
                  [&](const auto& in) { return plain_softmax(in[0], scale); },
                  {3 * torch::randn({2, 3, width, width})});
    }
  }
}

TEST(CausalSoftmax, SeesNothingOfLaterPositions) {
  torch::manual_seed(9);
  const Tensor scores = torch::randn({1, 2, 9, 9});
  const Tensor p = causal_softmax(scores, 0.5);
  EXPECT_EQ(largest(p.triu(1)), 0);
  expect_close(p.sum(-1), torch::ones({1, 2, 9}), 1e-6, "sums");
  const Tensor other = causal_softmax(scores + 50 * torch::ones({9, 9}).triu(1), 0.5);
  EXPECT_TRUE(torch::equal(p, other));
}

TEST(CausalSoftmax, StaysFiniteForLargeScores) {
  torch::manual_seed(10);
  expect_same([](const auto& in) { return causal_softmax(in[0], 1.0); },
              [](const auto& in) { return plain_softmax(in[0], 1.0); }, {1000 * torch::randn({1, 2, 9, 9})});
}

TEST(CausalSoftmax, Bf16IsTheF32ResultRounded) {
  torch::manual_seed(11);
  const Tensor scores = bf16_numbers({2, 2, 17, 17});
  expect_bf16_rounding(causal_softmax(scores, 0.4), plain_softmax(scores.to(torch::kFloat), 0.4));
}

Tensor plain_silu(const Tensor& x) {
  const std::int64_t half = x.size(-1) / 2;
  return torch::silu(x.narrow(-1, 0, half)) * x.narrow(-1, half, half);
}

TEST(SiluGated, EqualsPlainOperationsAndTheirGradients) {
  torch::manual_seed(12);
  for (const auto& shape : std::vector<std::vector<std::int64_t>>{{1, 1, 2}, {2, 3, 14}, {3, 67, 38}}) {
    expect_same([](const auto& in) { return silu_gated(in[0]); }, [](const auto& in) { return plain_silu(in[0]); },
                {4 * torch::randn(shape)});
  }
}

TEST(SiluGated, StaysFiniteFarFromZero) {
  const Tensor x = torch::tensor({-300.0F, -95.0F, -88.0F, 88.0F, 95.0F, 300.0F, 1.0F, 2.0F, 3.0F, 1.0F, 2.0F, 3.0F});
  expect_same([](const auto& in) { return silu_gated(in[0]); }, [](const auto& in) { return plain_silu(in[0]); },
              {x.view({1, 1, 12})});
}

TEST(SiluGated, Bf16IsTheF32ResultRounded) {
  torch::manual_seed(13);
  const Tensor x = 4 * bf16_numbers({2, 5, 46});
  expect_bf16_rounding(silu_gated(x), plain_silu(x.to(torch::kFloat)));
}

}  // namespace
}  // namespace gyre
