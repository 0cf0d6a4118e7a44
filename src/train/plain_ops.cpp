#include "train/plain_ops.hpp"

#include <torch/utils.h>

#include <limits>

namespace gyre {
namespace {

using torch::Tensor;

/// x [rows, heads, positions, head_size], the first channels of its heads turned in pairs.
Tensor turned(const Tensor& x, PositionKind kind, const Turns& turns) {
  if (!turns.cosines.defined()) return x;
  const std::int64_t pairs = turns.cosines.size(-1);
  // [rows or 1, 1, positions, pairs]
  const auto table = [&](const Tensor& numbers) { return numbers.view({-1, 1, x.size(2), pairs}); };
  const Tensor cosine = table(turns.cosines);
  const Tensor sine = table(turns.sines);
  const Tensor wide = x.to(torch::kFloat);
  const Tensor turning = wide.narrow(-1, 0, 2 * pairs);
  const Tensor rest = wide.narrow(-1, 2 * pairs, x.size(-1) - 2 * pairs);
  const bool adjacent = kind == PositionKind::rotary_adjacent;
  const Tensor couples = adjacent ? turning.unflatten(-1, {pairs, 2}) : turning.unflatten(-1, {2, pairs});
  const Tensor a = couples.select(adjacent ? -1 : -2, 0);
  const Tensor b = couples.select(adjacent ? -1 : -2, 1);
  const Tensor both = torch::stack({a * cosine - b * sine, b * cosine + a * sine}, adjacent ? -1 : -2);
  return torch::cat({both.flatten(-2), rest}, -1).to(x.scalar_type());
}

}  // namespace

Tensor plain_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, NormKind kind, double eps,
                  torch::ScalarType out) {
  if (kind == NormKind::layer) return torch::layer_norm(x, {x.size(-1)}, weight, bias, eps).to(out);
  return (x * torch::rsqrt(x.square().mean(-1, true) + eps) * weight).to(out);
}

std::vector<Tensor> plain_split_heads(const Tensor& qkv, const ModelSpec& spec, const Turns& turns) {
  const Tensor slots =
      qkv.reshape({qkv.size(0), qkv.size(1), spec.heads + 2 * spec.kv_heads, spec.head_size}).transpose(1, 2);
  return {turned(slots.narrow(1, 0, spec.heads), spec.position, turns),
          turned(slots.narrow(1, spec.heads, spec.kv_heads), spec.position, turns),
          slots.narrow(1, spec.heads + spec.kv_heads, spec.kv_heads)};
}

Tensor plain_visible_softmax(const Tensor& scores, double scale, const Tensor& sight) {
  const std::int64_t width = scores.size(-1);
  const Tensor column = torch::arange(width, scores.options().dtype(torch::kLong));
  Tensor hidden = column > column.unsqueeze(1);
  if (sight.defined()) {  // [rows or 1, 1, positions, columns]
    const Tensor seen = sight.unsqueeze(1);
    hidden = (column < seen.select(-1, 0).unsqueeze(-1)).logical_or(column >= seen.select(-1, 1).unsqueeze(-1));
  }
  const Tensor scaled = scores.to(torch::kFloat) * scale;
  const double nothing = -std::numeric_limits<double>::infinity();
  return torch::softmax(scaled.masked_fill(hidden, nothing), -1).to(scores.scalar_type());
}

Tensor plain_silu_gated(const Tensor& x) {
  const std::vector<Tensor> halves = x.to(torch::kFloat).chunk(2, -1);
  return (torch::silu(halves[0]) * halves[1]).to(x.scalar_type());
}

Tensor plain_gelu_tanh(const Tensor& x) { return torch::gelu(x.to(torch::kFloat), "tanh").to(x.scalar_type()); }

Tensor plain_gelu_tanh_gated(const Tensor& x) {
  const std::vector<Tensor> halves = x.to(torch::kFloat).chunk(2, -1);
  return (torch::gelu(halves[0], "tanh") * halves[1]).to(x.scalar_type());
}

}  // namespace gyre
