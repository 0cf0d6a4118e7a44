// The vector kernels, compiled once per instruction set: the including file sets the width in bytes (GYRE_VECTOR_BYTES)
// and its compile flags. Nothing of the standard library is instantiated here, since its code would carry those flags
// into the whole program.

#include <math.h>

namespace gyre {
namespace {

using IntVector = int __attribute__((vector_size(GYRE_VECTOR_BYTES)));
using Register = float __attribute__((vector_size(GYRE_VECTOR_BYTES)));
constexpr std::size_t kLanes = GYRE_VECTOR_BYTES / sizeof(float);

// One instruction each, which needs no alignment beyond a float's.
inline Register load(const float* p) {
  Register value;
  __builtin_memcpy(&value, p, sizeof(value));
  return value;
}
inline void store(float* p, Register value) { __builtin_memcpy(p, &value, sizeof(value)); }

/// Lane i of the result is lane order[i] of x and y one after the other.
inline Register shuffled(Register x, Register y, IntVector order) {
#if defined(__clang__)
  Register out = {};
  for (std::size_t i = 0; i < kLanes; ++i) {
    const auto lane = static_cast<std::size_t>(order[i]) % (2 * kLanes);
    out[i] = lane < kLanes ? x[lane] : y[lane - kLanes];
  }
  return out;
#else
  return __builtin_shuffle(x, y, order);
#endif
}

/// The upper half of the first `Width` lanes moved onto the lower one.
template <std::size_t Width>
inline Register upper_half(Register value) {
  IntVector order = {};
  for (int i = 0; i < static_cast<int>(Width / 2); ++i) order[i] = i + static_cast<int>(Width / 2);
  return shuffled(value, value, order);
}

/// Halves are added to halves: as many additions deep as there are bits in the number of lanes.
template <std::size_t Width = kLanes>
inline float sum_of(Register value) {
  if constexpr (Width == 1) {
    return value[0];
  } else {
    return sum_of<Width / 2>(value + upper_half<Width>(value));
  }
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
      r * (1.0F + r * (0.5F + r * (1.66666667e-1F + r * (4.16666667e-2F + r * (8.33333333e-3F + r * 1.38888889e-3F)))));
  const IntVector exponent = (__builtin_convertvector(n, IntVector) + 127) << 23;
  return p * __builtin_bit_cast(Register, exponent);
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

inline float largest_of(const float* x, std::size_t n) {
  Register most = Register{} + x[0];
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Register value = load(x + i);
    most = value > most ? value : most;
  }
  float largest = x[0];
  for (std::size_t lane = 0; lane < kLanes; ++lane) largest = most[lane] > largest ? most[lane] : largest;
  for (; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

/// Replaces scores by exp(score − largest) and returns their sum.
inline float exponentiate(float* scores, std::size_t count) {
  const float largest = largest_of(scores, count);
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

/// Even and odd lanes of two neighbouring registers, and back.
struct LaneOrders {
  IntVector even;
  IntVector odd;
  IntVector low;
  IntVector high;
};
inline LaneOrders lane_orders() {
  LaneOrders orders = {};
  for (int i = 0; i < static_cast<int>(kLanes); ++i) {
    const int half = static_cast<int>(kLanes) / 2;
    const int behind = i % 2 * static_cast<int>(kLanes);
    orders.even[i] = 2 * i;
    orders.odd[i] = 2 * i + 1;
    orders.low[i] = i / 2 + behind;
    orders.high[i] = half + i / 2 + behind;
  }
  return orders;
}

void rotate(float* head, const float* cosines, const float* sines, std::size_t pairs, bool adjacent) {
  const LaneOrders orders = lane_orders();
  std::size_t i = 0;
  for (; i + kLanes <= pairs; i += kLanes) {
    const Register c = load(cosines + i);
    const Register s = load(sines + i);
    float* const first = head + (adjacent ? 2 * i : i);
    float* const second = adjacent ? first + kLanes : first + pairs;
    const Register x = load(first);
    const Register y = load(second);
    const Register a = adjacent ? shuffled(x, y, orders.even) : x;
    const Register b = adjacent ? shuffled(x, y, orders.odd) : y;
    const Register turned_a = a * c - b * s;
    const Register turned_b = b * c + a * s;
    store(first, adjacent ? shuffled(turned_a, turned_b, orders.low) : turned_a);
    store(second, adjacent ? shuffled(turned_a, turned_b, orders.high) : turned_b);
  }
  for (; i < pairs; ++i) {
    float* const first = head + (adjacent ? 2 * i : i);
    float* const second = adjacent ? first + 1 : first + pairs;
    const float a = *first;
    const float b = *second;
    *first = a * cosines[i] - b * sines[i];
    *second = b * cosines[i] + a * sines[i];
  }
}

void silu_gated(const float* gate, const float* x, std::size_t n, float* y) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Register open = load(gate + i);
    store(y + i, open / (1.0F + exp_of(-open)) * load(x + i));
  }
  for (; i < n; ++i) y[i] = gate[i] / (1.0F + expf(-gate[i])) * x[i];
}

/// Φ(−|x|) = erfc(|x| / √2) / 2 is exp(−x² / 2) times a polynomial in 1 / (1 + 0.42 |x| / √2), fitted so that x Φ(x) is
/// good to 1e-7 of |x|, and to a few 1e-6 of itself where it is next to nothing.
inline Register gelu_of(Register x) {
  const Register z = (x < Register{} ? -x : x) * 0.70710678F;
  const Register t = 1.0F / (1.0F + 0.42F * z);
  const Register polynomial =
      t *
      (1.18403897e-1F +
       t * (1.19928300e-1F +
            t * (9.64560062e-2F +
                 t * (1.37574807e-1F +
                      t * (-7.17113689e-2F + t * (2.27751315e-1F + t * (-1.64653823e-1F + t * 3.62508520e-2F)))))));
  const Register tail = x * polynomial * exp_of(-z * z);
  return x < Register{} ? tail : x - tail;
}

void gelu(const float* x, std::size_t n, float* y) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, gelu_of(load(x + i)));
  if (i == n) return;
  float rest[kLanes] = {};
  __builtin_memcpy(rest, x + i, (n - i) * sizeof(float));
  store(rest, gelu_of(load(rest)));
  __builtin_memcpy(y + i, rest, (n - i) * sizeof(float));
}

float exponentials(const float* x, std::size_t n, float largest, float scale, float* y) {
  Register sum = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Register value = exp_of((load(x + i) - largest) * scale);
    store(y + i, value);
    sum += value;
  }
  float total = sum_of(sum);
  for (; i < n; ++i) {
    const float power = (x[i] - largest) * scale;
    y[i] = expf(power < -87.0F ? -87.0F : power);
    total += y[i];
  }
  return total;
}

StepStatistics step_statistics(const float* now, const float* before, float* step, std::size_t n) {
  Register state = {};
  Register steps = {};
  Register acceleration = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Register x = load(now + i);
    const Register delta = x - load(before + i);
    const Register previous = load(step + i);
    state += x * x;
    steps += delta * delta;
    acceleration += (delta - previous) * (delta - previous);
    store(step + i, delta);
  }
  StepStatistics sums{sum_of(state), sum_of(steps), sum_of(acceleration)};
  for (; i < n; ++i) {
    const float delta = now[i] - before[i];
    sums.state += now[i] * now[i];
    sums.step += delta * delta;
    sums.acceleration += (delta - step[i]) * (delta - step[i]);
    step[i] = delta;
  }
  return sums;
}

}  // namespace
}  // namespace gyre

#include "kernels/attend.inl"
