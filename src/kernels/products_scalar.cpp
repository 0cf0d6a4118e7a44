#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/tables.hpp"

namespace gyre::scalar {
namespace {

float dot(const float* weights, const float* x, std::size_t n) {
  float sum = 0;
  for (std::size_t first = 0; first < n; first += kSumColumns) {
    float of_run = 0;
    for (std::size_t i = first; i < std::min(n, first + kSumColumns); ++i) of_run += weights[i] * x[i];
    sum += of_run;
  }
  return sum;
}

/// The dot product of a row of codes with rounded activations: whole numbers within a run, floats across runs.
float dot_bytes(const PackedRow& row, const std::int8_t* bytes, const float* scales) {
  const std::size_t run = std::min(row.run, kByteRun);
  float sum = 0;
  for (std::size_t first = 0; first < row.codes.size(); first += run) {
    std::int32_t whole = 0;
    std::int32_t total = 0;
    for (std::size_t i = first; i < first + run; ++i) {
      whole += row.codes[i] * bytes[i];
      total += bytes[i];
    }
    const std::size_t shared = first / row.run;
    const float scale = scales[first / kByteRun];
    sum += row.scales[shared] * scale * static_cast<float>(whole);
    sum += row.minima[shared] * (scale * static_cast<float>(total));
  }
  return sum;
}

}  // namespace

void round_to_bytes(const float* x, std::size_t count, std::size_t columns, const ByteRows& out) {
  const std::size_t padded = padded_columns(columns);
  for (std::size_t t = 0; t < count; ++t) {
    for (std::size_t run = 0; run < padded / kByteRun; ++run) {
      const std::size_t first = std::min(columns, run * kByteRun);
      const std::size_t last = std::min(columns, first + kByteRun);
      float largest = 0;
      for (std::size_t i = first; i < last; ++i) largest = std::max(largest, std::fabs(x[t * columns + i]));
      if (largest < kSmallestRun) largest = 0;
      const float inverse = largest > 0 ? 127.0F / largest : 0.0F;
      std::int8_t* const bytes = out.bytes + t * padded + run * kByteRun;
      std::int32_t sum = 0;
      std::fill_n(bytes, kByteRun, std::int8_t{0});
      for (std::size_t i = first; i < last; ++i) {
        bytes[i - first] = static_cast<std::int8_t>(std::nearbyint(x[t * columns + i] * inverse));
        sum += bytes[i - first];
      }
      out.scales[t * padded / kByteRun + run] = largest / 127.0F;
      const std::int32_t first_half = std::accumulate(bytes, bytes + kByteRun / 2, 0);
      std::int32_t* const halves = out.half_zeros + 2 * (t * padded / kByteRun + run);
      halves[0] = -128 * first_half;
      halves[1] = -128 * (sum - first_half);
      out.zeros[t * padded / kByteRun + run] = -128 * sum;
      out.sums[t * padded / kByteRun + run] = largest / 127.0F * static_cast<float>(sum);
    }
  }
}

void multiply(const PackedMatrix& weights, const Activations& x, std::size_t first_panel, std::size_t last_panel,
              const ProductOut& out) {
  if (weights.parts != nullptr) {
    return multiply_parts(weights, first_panel, last_panel, out,
                          [&](const PackedMatrix& part, std::size_t first, std::size_t last, const ProductOut& its) {
                            multiply(part, x, first, last, its);
                          });
  }
  const std::size_t padded = padded_columns(x.columns);
  const std::size_t last_row = std::min(weights.rows, last_panel * kPanelRows);
  std::vector<float> row(weights.columns);
  PackedRow codes;
  for (std::size_t r = first_panel * kPanelRows; r < last_row; ++r) {
    is_coded(weights.type) ? unpack_codes(weights, r, codes) : unpack_row(weights, r, row);
    for (std::size_t t = 0; t < x.count; ++t) {
      float sum = is_coded(weights.type)
                      ? dot_bytes(codes, x.rounded.bytes + t * padded, x.rounded.scales + t * padded / kByteRun)
                      : dot(row.data(), x.floats + t * x.columns, x.columns);
      if (out.bias != nullptr) sum += out.bias[r];
      float& y = out.y[t * out.stride + r];
      y = out.add ? y + sum : sum;
    }
  }
}

}  // namespace gyre::scalar
