// The vector kernels, compiled once per instruction set: the including file sets the width in bytes (GYRE_VECTOR_BYTES)
// and its compile flags. Nothing of the standard library is instantiated here, since its code would carry those flags
// into the whole program.

#include <math.h>

namespace gyre {
namespace {

/// A vector register; loads and stores need no alignment beyond a float's.
using Vector = float __attribute__((vector_size(GYRE_VECTOR_BYTES), aligned(4), may_alias));
using IntVector = int __attribute__((vector_size(GYRE_VECTOR_BYTES)));
using Register = float __attribute__((vector_size(GYRE_VECTOR_BYTES)));
constexpr std::size_t kLanes = GYRE_VECTOR_BYTES / sizeof(float);

inline Register load(const float* p) { return *reinterpret_cast<const Vector*>(p); }
inline void store(float* p, Register value) { *reinterpret_cast<Vector*>(p) = value; }

inline float sum_of(Register value) {
  float sum = 0;
  for (std::size_t i = 0; i < kLanes; ++i) sum += value[i];
  return sum;
}

/// exp to about 2e-7 relative: 2^n times a polynomial on |r| <= ln(2)/2. Below -87 the result is exp(-87).
inline Register exp_of(Register x) {
  const Register low = Register{} - 87.0F;
  const Register high = Register{} + 88.0F;
  x = x < low ? low : (x > high ? high : x);
  const Register shifted = x * 1.44269504F + 12582912.0F;  // 1.5 · 2^23: the sum rounds to the nearest whole number
  const Register n = shifted - 12582912.0F;
  const Register r = (x - n * 0.693359375F) + n * 2.12194440e-4F;  // ln 2 in two parts keeps r exact
  const Register p =
      1.0F +
      r * (1.0F +
           r * (0.5F + r * (1.66666667e-1F + r * (4.16666667e-2F + r * (8.33333333e-3F + r * 1.38888889e-3F)))));
  const IntVector exponent = (__builtin_convertvector(n, IntVector) + 127) << 23;
  return p * __builtin_bit_cast(Register, exponent);
}

/// Rows × columns of y at once: each weight vector is used for all columns, each x vector for all rows, so that the
/// multiply units wait for neither. 4 × 4 fills the registers of AVX2 (16 sums) and half of those of AVX-512.
template <std::size_t Rows, std::size_t Columns>
inline void tile(const float* x, std::size_t in, const float* weights, std::size_t out, float* y) {
  Register sums[Rows][Columns] = {};
  std::size_t i = 0;
  for (; i + kLanes <= in; i += kLanes) {
    Register columns[Columns];
    for (std::size_t c = 0; c < Columns; ++c) columns[c] = load(x + c * in + i);
    for (std::size_t r = 0; r < Rows; ++r) {
      const Register w = load(weights + r * in + i);
      for (std::size_t c = 0; c < Columns; ++c) sums[r][c] += w * columns[c];
    }
  }
  for (std::size_t r = 0; r < Rows; ++r) {
    for (std::size_t c = 0; c < Columns; ++c) {
      float sum = sum_of(sums[r][c]);
      for (std::size_t k = i; k < in; ++k) sum += weights[r * in + k] * x[c * in + k];
      y[c * out + r] = sum;
    }
  }
}

template <std::size_t Columns>
inline void matmul_columns(const float* x, std::size_t in, const float* weights, std::size_t begin, std::size_t end,
                           std::size_t out, float* y) {
  std::size_t row = begin;
  for (; row + 4 <= end; row += 4) tile<4, Columns>(x, in, weights + row * in, out, y + row);
  for (; row < end; ++row) tile<1, Columns>(x, in, weights + row * in, out, y + row);
}

void matmul(const float* x, std::size_t n, std::size_t in, const float* weights, std::size_t begin, std::size_t end,
            std::size_t out, float* y) {
  std::size_t t = 0;
  for (; t + 4 <= n; t += 4) matmul_columns<4>(x + t * in, in, weights, begin, end, out, y + t * out);
  for (; t < n; ++t) matmul_columns<1>(x + t * in, in, weights, begin, end, out, y + t * out);
}

inline float dot(const float* a, const float* b, std::size_t n) {
  Register sum = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum += load(a + i) * load(b + i);
  float total = sum_of(sum);
  for (; i < n; ++i) total += a[i] * b[i];
  return total;
}

void rms_norm(const float* x, const float* weight, float eps, std::size_t n, float* y) {
  const float inverse = 1.0F / sqrtf(dot(x, x, n) / static_cast<float>(n) + eps);
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, load(x + i) * inverse * load(weight + i));
  for (; i < n; ++i) y[i] = x[i] * inverse * weight[i];
}

void layer_norm(const float* x, const float* weight, const float* bias, float eps, std::size_t n, float* y) {
  Register sum = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum += load(x + i);
  float total = sum_of(sum);
  for (; i < n; ++i) total += x[i];
  const float mean = total / static_cast<float>(n);
  Register squares = {};
  for (i = 0; i + kLanes <= n; i += kLanes) squares += (load(x + i) - mean) * (load(x + i) - mean);
  float spread = sum_of(squares);
  for (; i < n; ++i) spread += (x[i] - mean) * (x[i] - mean);
  const float inverse = 1.0F / sqrtf(spread / static_cast<float>(n) + eps);
  for (i = 0; i + kLanes <= n; i += kLanes) {
    store(y + i, (load(x + i) - mean) * inverse * load(weight + i) + load(bias + i));
  }
  for (; i < n; ++i) y[i] = (x[i] - mean) * inverse * weight[i] + bias[i];
}

/// Replaces scores by exp(score − largest) and returns their sum.
inline float exponentiate(float* scores, std::size_t count) {
  float largest = scores[0];
  for (std::size_t t = 1; t < count; ++t) largest = scores[t] > largest ? scores[t] : largest;
  Register sum = {};
  std::size_t t = 0;
  for (; t + kLanes <= count; t += kLanes) {
    const Register value = exp_of(load(scores + t) - largest);
    store(scores + t, value);
    sum += value;
  }
  float total = sum_of(sum);
  for (; t < count; ++t) {
    scores[t] = expf(scores[t] - largest);
    total += scores[t];
  }
  return total;
}

void attend(const float* query, const float* keys, const float* values, std::size_t stride, std::size_t count,
            std::size_t head_size, float scale, float* scores, float* out) {
  for (std::size_t t = 0; t < count; ++t) scores[t] = scale * dot(query, keys + t * stride, head_size);
  const float inverse = 1.0F / exponentiate(scores, count);
  std::size_t i = 0;
  for (; i + kLanes <= head_size; i += kLanes) {
    Register mixed = {};
    for (std::size_t t = 0; t < count; ++t) mixed += scores[t] * load(values + t * stride + i);
    store(out + i, mixed * inverse);
  }
  for (; i < head_size; ++i) {
    float mixed = 0;
    for (std::size_t t = 0; t < count; ++t) mixed += scores[t] * values[t * stride + i];
    out[i] = mixed * inverse;
  }
}

void silu_gated(const float* x, std::size_t n, float* y) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Register gate = load(x + i);
    store(y + i, gate / (1.0F + exp_of(-gate)) * load(x + n + i));
  }
  for (; i < n; ++i) y[i] = x[i] / (1.0F + expf(-x[i])) * x[n + i];
}

StepStatistics step_statistics(const float* now, const float* before, float* step, std::size_t n) {
  Register state = {};
  Register steps = {};
  Register acceleration = {};
  Register turn = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Register x = load(now + i);
    const Register delta = x - load(before + i);
    const Register previous = load(step + i);
    state += x * x;
    steps += delta * delta;
    acceleration += (delta - previous) * (delta - previous);
    turn += delta * previous;
    store(step + i, delta);
  }
  StepStatistics sums{sum_of(state), sum_of(steps), sum_of(acceleration), sum_of(turn)};
  for (; i < n; ++i) {
    const float delta = now[i] - before[i];
    sums.state += now[i] * now[i];
    sums.step += delta * delta;
    sums.acceleration += (delta - step[i]) * (delta - step[i]);
    sums.turn += delta * step[i];
    step[i] = delta;
  }
  return sums;
}

}  // namespace
}  // namespace gyre
