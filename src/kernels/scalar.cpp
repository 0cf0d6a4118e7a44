#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/tables.hpp"

namespace gyre {
namespace {

// The plain reference: every other table is tested against this one.

void rms_norm(const float* x, const float* weight, float eps, std::size_t n, float* y) {
  float squares = 0;
  for (std::size_t i = 0; i < n; ++i) squares += x[i] * x[i];
  const float inverse = 1.0F / std::sqrt(squares / static_cast<float>(n) + eps);
  for (std::size_t i = 0; i < n; ++i) y[i] = x[i] * inverse * weight[i];
}

void layer_norm(const float* x, const float* weight, const float* bias, float eps, std::size_t n, float* y) {
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += x[i];
  const float mean = sum / static_cast<float>(n);
  float spread = 0;
  for (std::size_t i = 0; i < n; ++i) spread += (x[i] - mean) * (x[i] - mean);
  const float inverse = 1.0F / std::sqrt(spread / static_cast<float>(n) + eps);
  for (std::size_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * inverse * weight[i] + bias[i];
}

void rotate(float* head, const float* cosines, const float* sines, std::size_t pairs, bool adjacent) {
  for (std::size_t i = 0; i < pairs; ++i) {
    const std::size_t first = adjacent ? 2 * i : i;
    const std::size_t second = adjacent ? 2 * i + 1 : i + pairs;
    const float a = head[first];
    const float b = head[second];
    head[first] = a * cosines[i] - b * sines[i];
    head[second] = b * cosines[i] + a * sines[i];
  }
}

/// One query against `count` positions; `scores` and `row` have room for that many floats and for a row.
void attend_one(const float* query, const KvPages& cache, std::size_t count, std::size_t head_size, float scale,
                float* scores, std::span<float> row, float* out) {
  const std::size_t bytes = kv_row_bytes(cache.type, head_size);
  const std::size_t first = cache.first_seen(count);
  for (std::size_t t = first; t < count; ++t) {
    read_kv_key(cache.type, cache.keys_of(t / kKvPage), t % kKvPage, row);
    float sum = 0;
    for (std::size_t i = 0; i < head_size; ++i) sum += query[i] * row[i];
    scores[t] = sum * scale;
  }
  const float largest = *std::max_element(scores + first, scores + count);
  float total = 0;
  for (std::size_t t = first; t < count; ++t) {
    scores[t] = std::exp(scores[t] - largest);
    total += scores[t];
  }
  std::fill(out, out + head_size, 0.0F);
  for (std::size_t t = first; t < count; ++t) {
    read_kv_row(cache.type, cache.value(t, bytes), row);
    const float share = scores[t] / total;
    for (std::size_t i = 0; i < head_size; ++i) out[i] += share * row[i];
  }
}

void attend(const float* queries, std::size_t query_stride, std::size_t rows, const KvPages& cache, std::size_t count,
            std::size_t head_size, float scale, float* scratch, float* out, std::size_t out_stride) {
  const std::span<float> row(scratch, head_size);
  for (std::size_t r = 0; r < rows; ++r) {
    attend_one(queries + r * query_stride, cache, count + r * cache.growth, head_size, scale, scratch + head_size, row,
               out + r * out_stride);
  }
}

void silu_gated(const float* gate, const float* x, std::size_t n, float* y) {
  for (std::size_t i = 0; i < n; ++i) y[i] = gate[i] / (1.0F + std::exp(-gate[i])) * x[i];
}

void gelu(const float* x, std::size_t n, float* y) {
  constexpr auto kRoot = static_cast<float>(1 / std::numbers::sqrt2);
  for (std::size_t i = 0; i < n; ++i) y[i] = 0.5F * x[i] * std::erfc(-x[i] * kRoot);
}

float largest(const float* x, std::size_t n) { return *std::max_element(x, x + n); }

float exponentials(const float* x, std::size_t n, float largest, float scale, float* y) {
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    y[i] = std::exp(std::max(-87.0F, (x[i] - largest) * scale));
    sum += y[i];
  }
  return sum;
}

StepStatistics step_statistics(const float* now, const float* before, float* step, std::size_t n) {
  StepStatistics sums;
  for (std::size_t i = 0; i < n; ++i) {
    const float delta = now[i] - before[i];
    const float second = delta - step[i];
    sums.state += now[i] * now[i];
    sums.step += delta * delta;
    sums.acceleration += second * second;
    step[i] = delta;
  }
  return sums;
}

}  // namespace

const Kernels kScalarKernels = {.name = "scalar",
                                .round_to_bytes = scalar::round_to_bytes,
                                .takes_bf16 = takes_no_bf16,
                                .round_to_bf16 = nullptr,
                                .multiply = scalar::multiply,
                                .rms_norm = rms_norm,
                                .layer_norm = layer_norm,
                                .rotate = rotate,
                                .attend = attend,
                                .silu_gated = silu_gated,
                                .gelu = gelu,
                                .largest = largest,
                                .exponentials = exponentials,
                                .step_statistics = step_statistics,
                                .peaks = {}};

}  // namespace gyre
