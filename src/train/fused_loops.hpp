#pragma once

#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace gyre {

// What the loops of fused operations have in common.

inline constexpr std::int64_t kRowsPerTask = 64;

// Conversions and exp without branches or calls, so that loops over them become vectors.
[[gnu::always_inline]] inline float load(float value) { return value; }
[[gnu::always_inline]] inline float load(at::BFloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.x) << 16);
}
[[gnu::always_inline]] inline void store(float& out, float value) { out = value; }
[[gnu::always_inline]] inline void store(at::BFloat16& out, float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  out.x = static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

/// exp(x) to about 2e-7 relative: 2^n times a degree-6 polynomial (Taylor) on |r| <= ln(2)/2.
[[gnu::always_inline]] inline float fast_exp(float x) {
  const float clamped = std::min(std::max(x, -87.0F), 88.0F);
  const float n = std::floor(clamped * 1.44269504F + 0.5F);
  const float r = (clamped - n * 0.693359375F) + n * 2.12194440e-4F;  // ln 2 in two parts keeps r exact
  const float p =
      1.0F +
      r * (1.0F + r * (0.5F + r * (1.66666667e-1F + r * (4.16666667e-2F + r * (8.33333333e-3F + r * 1.38888889e-3F)))));
  return p * std::bit_cast<float>((static_cast<std::int32_t>(n) + 127) << 23);
}

/// Runs `body(row)` for every row, on all cores.
template <typename Body>
void for_rows(std::int64_t rows, const Body& body) {
  at::parallel_for(0, rows, kRowsPerTask, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) body(row);
  });
}

/// Calls `body` with a value of the element type of `tensor` (float or bfloat16).
template <typename Body>
void with_type(const torch::Tensor& tensor, const Body& body) {
  if (tensor.scalar_type() == torch::kBFloat16) {
    body(at::BFloat16());
  } else {
    TORCH_CHECK(tensor.scalar_type() == torch::kFloat);
    body(float());
  }
}

}  // namespace gyre
