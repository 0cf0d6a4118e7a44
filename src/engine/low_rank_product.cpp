#include "engine/low_rank_product.hpp"

#include <algorithm>
#include <array>

namespace gyre {
namespace {

/// y[r] += Σ_k h[k] up[k, r] for the rows of `range`, sums made in the order of k.
void add_up(const LowRankRows& change, const float* h, RowRange range, float* y) {
  constexpr std::size_t kBlock = 16;
  const std::size_t count = change.rows.end - change.rows.begin;
  const std::size_t begin = std::max(change.rows.begin, range.begin);
  const std::size_t end = std::min(change.rows.end, range.end);
  for (std::size_t r = begin; r < end; r += kBlock) {
    const std::size_t width = std::min(kBlock, end - r);
    std::array<float, kBlock> sums{};
    for (std::size_t k = 0; k < change.down.rows; ++k) {
      const float* const up = change.up.data() + k * count + (r - change.rows.begin);
      for (std::size_t i = 0; i < width; ++i) sums[i] += h[k] * up[i];
    }
    for (std::size_t i = 0; i < width; ++i) y[r + i] += sums[i];
  }
}

}  // namespace

void add_low_rank(const Kernels& kernels, const Linear& linear, const Activations& x, std::span<const TokenRow> rows,
                  RowRange range, float* y, std::vector<float>& scratch) {
  const LinearAdapter& adapter = *linear.adapter;
  if (adapter.sets.empty()) return;  // it changes other rows of the matrix that these are part of
  for (std::size_t first = 0; first < x.count;) {
    const AdaptedRows& set = adapter.of_loop(rows[first].loop);
    std::size_t last = first + 1;
    while (last < x.count && &adapter.of_loop(rows[last].loop) == &set) ++last;
    for (const LowRankRows& change : set.changes) {
      if (change.rows.end <= range.begin || change.rows.begin >= range.end) continue;
      const std::size_t rank = change.down.rows;
      if (scratch.size() < (last - first) * rank) scratch.resize((last - first) * rank);
      const Activations some{last - first, x.columns, x.floats + first * x.columns, {}, nullptr};
      kernels.multiply(change.down, some, 0, change.down.panels(), {scratch.data(), rank});
      for (std::size_t t = first; t < last; ++t) {
        add_up(change, scratch.data() + (t - first) * rank, range, y + t * linear.out());
      }
    }
    for (std::size_t t = first; t < last && !set.gains.empty(); ++t) {
      float* const out = y + t * linear.out();
      for (std::size_t r = range.begin; r < range.end; ++r) {
        const float bias = linear.bias == nullptr ? 0.0F : linear.bias[r];
        out[r] = set.gains[r] * (out[r] - bias) + bias;
      }
    }
    first = last;
  }
}

}  // namespace gyre
