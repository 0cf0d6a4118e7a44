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

/// The sums of H lanes beside H others, over and over: those of x, then those of y.
template <std::size_t H>
inline Register merged(Register x, Register y) {
  IntVector low = {};
  IntVector high = {};
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const std::size_t within = lane % (2 * H);
    const std::size_t from = lane - within + (within < H ? within : kLanes + within - H);
    low[lane] = static_cast<int>(from);
    high[lane] = static_cast<int>(from + H);
  }
  return shuffled(x, y, low) + shuffled(x, y, high);
}

/// Lane i of the result is the sum of all lanes of values[i].
template <std::size_t H = kLanes / 2>
inline Register sums_of(Register (&values)[kLanes]) {
  for (std::size_t i = 0; i < H; ++i) values[i] = merged<H>(values[i], values[i + H]);
  if constexpr (H > 1) {
    return sums_of<H / 2>(values);
  } else {
    return values[0];
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

// One row of keys or values: kLanes numbers of it from i on (a multiple of kLanes), and one.

struct FloatRow {
  static constexpr KvType kType = KvType::f32;
  const float* numbers;
  FloatRow(const std::byte* row, std::size_t /*head_size*/) : numbers(reinterpret_cast<const float*>(row)) {}
  [[nodiscard]] Register lanes(std::size_t i) const { return load(numbers + i); }
  [[nodiscard]] float one(std::size_t i) const { return numbers[i]; }
};

struct HalfRow {
  static constexpr KvType kType = KvType::bf16;
  using Halves = std::uint16_t __attribute__((vector_size(2 * kLanes)));
  using Words = std::uint32_t __attribute__((vector_size(GYRE_VECTOR_BYTES)));
  const std::byte* numbers;
  HalfRow(const std::byte* row, std::size_t /*head_size*/) : numbers(row) {}
  [[nodiscard]] Register lanes(std::size_t i) const {
    Halves halves;
    __builtin_memcpy(&halves, numbers + 2 * i, sizeof(halves));
    return __builtin_bit_cast(Register, __builtin_convertvector(halves, Words) << 16);
  }
  [[nodiscard]] float one(std::size_t i) const {
    std::uint16_t half = 0;
    __builtin_memcpy(&half, numbers + 2 * i, sizeof(half));
    return __builtin_bit_cast(float, static_cast<std::uint32_t>(half) << 16);
  }
};

struct ByteRow {
  static constexpr KvType kType = KvType::q8_0;
  static_assert(kKvRun % kLanes == 0);
  using Codes = signed char __attribute__((vector_size(kLanes)));
  using Shorts = short __attribute__((vector_size(2 * kLanes)));
  const std::byte* codes;
  const float* scales;
  ByteRow(const std::byte* row, std::size_t head_size)
      : codes(row), scales(reinterpret_cast<const float*>(row + kv_code_bytes(head_size))) {}
  [[nodiscard]] Register lanes(std::size_t i) const {
    Codes bytes;
    __builtin_memcpy(&bytes, codes + i, sizeof(bytes));
    // In two steps, each of which is one instruction.
    const auto words = __builtin_convertvector(__builtin_convertvector(bytes, Shorts), IntVector);
    return __builtin_convertvector(words, Register) * scales[i / kKvRun];
  }
  [[nodiscard]] float one(std::size_t i) const {
    return static_cast<float>(static_cast<signed char>(codes[i])) * scales[i / kKvRun];
  }
};

template <typename Row>
inline float dot_row(const float* query, const Row& row, std::size_t n) {
  Register sum = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum += load(query + i) * row.lanes(i);
  float total = sum_of(sum);
  for (; i < n; ++i) total += query[i] * row.one(i);
  return total;
}

/// The processor itself looks ahead only when a stream is under way, and heads are short streams.
inline void prefetch(const std::byte* from, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += 64) __builtin_prefetch(from + i);
}

/// Scores of one query against `count` positions, those of as many keys as a register has lanes at a time.
template <typename Row>
inline void score_one(const float* query, const KvRows& cache, std::size_t count, std::size_t head_size, float scale,
                      float* scores) {
  const std::byte* const keys = cache.keys;
  const std::size_t bytes = kv_row_bytes(Row::kType, head_size);
  std::size_t t = 0;
  for (; head_size % kLanes == 0 && t + kLanes <= count; t += kLanes) {
    prefetch(keys + (t + kLanes) * bytes, kLanes * bytes);
    prefetch(cache.values + t * bytes, kLanes * bytes);
    Register sums[kLanes] = {};
    for (std::size_t i = 0; i < head_size; i += kLanes) {
      const Register numbers = load(query + i);
      for (std::size_t k = 0; k < kLanes; ++k) sums[k] += numbers * Row(keys + (t + k) * bytes, head_size).lanes(i);
    }
    store(scores + t, sums_of(sums) * scale);
  }
  for (; t < count; ++t) scores[t] = scale * dot_row(query, Row(keys + t * bytes, head_size), head_size);
}

/// One query against `count` positions.
template <typename Row>
inline void attend_one(const float* query, const KvRows& cache, std::size_t count, std::size_t head_size, float scale,
                       float* scores, float* out) {
  const std::size_t bytes = kv_row_bytes(Row::kType, head_size);
  const auto value = [&](std::size_t t) { return Row(cache.values + t * bytes, head_size); };
  score_one<Row>(query, cache, count, head_size, scale, scores);
  const float inverse = 1.0F / exponentiate(scores, count);
  std::size_t i = 0;
  for (; i + kLanes <= head_size; i += kLanes) {
    // Four sums, so that no addition waits for the one before it.
    Register mixed[4] = {};
    std::size_t t = 0;
    for (; t + 4 <= count; t += 4) {
      for (std::size_t k = 0; k < 4; ++k) mixed[k] += scores[t + k] * value(t + k).lanes(i);
    }
    for (; t < count; ++t) mixed[0] += scores[t] * value(t).lanes(i);
    store(out + i, (mixed[0] + mixed[1] + mixed[2] + mixed[3]) * inverse);
  }
  for (; i < head_size; ++i) {
    float mixed = 0;
    for (std::size_t t = 0; t < count; ++t) mixed += scores[t] * value(t).one(i);
    out[i] = mixed * inverse;
  }
}

/// Keys in panels of kLanes: number i of all keys of a panel lie side by side.
template <typename Row>
inline void pack_keys(const std::byte* keys, std::size_t count, std::size_t head_size, float* panels) {
  const std::size_t bytes = kv_row_bytes(Row::kType, head_size);
  for (std::size_t t = 0; t < count; ++t) {
    float* const to = panels + t / kLanes * kLanes * head_size + t % kLanes;
    const Row key(keys + t * bytes, head_size);
    for (std::size_t i = 0; i < head_size; ++i) to[i * kLanes] = key.one(i);
  }
}

/// Registers of keys or values that share one pass over the numbers of the queries: as many as leave their sums where
/// they are added up.
constexpr std::size_t kSideBySide = kLanes >= 16 ? 2 : 1;

/// Scores of N queries against B panels of keys; those of positions that do not exist are whatever they are.
template <std::size_t N, std::size_t B>
inline void score_panels(const float* queries, std::size_t query_stride, const float* panels, std::size_t head_size,
                         float scale, float* scores, std::size_t stride) {
  Register sums[B][N] = {};
  for (std::size_t i = 0; i < head_size; ++i) {
    Register keys[B];
    for (std::size_t b = 0; b < B; ++b) keys[b] = load(panels + (b * head_size + i) * kLanes);
    for (std::size_t n = 0; n < N; ++n) {
      const float number = queries[n * query_stride + i];
      for (std::size_t b = 0; b < B; ++b) sums[b][n] += keys[b] * number;
    }
  }
  for (std::size_t b = 0; b < B; ++b) {
    for (std::size_t n = 0; n < N; ++n) store(scores + n * stride + b * kLanes, sums[b][n] * scale);
  }
}

/// Scores of N queries against all panels, `stride` apart.
template <std::size_t N>
inline void score_rows(const float* queries, std::size_t query_stride, const float* panels, std::size_t count,
                       std::size_t head_size, float scale, float* scores, std::size_t stride) {
  std::size_t t = 0;
  for (; t + kSideBySide * kLanes <= count; t += kSideBySide * kLanes) {
    score_panels<N, kSideBySide>(queries, query_stride, panels + t * head_size, head_size, scale, scores + t, stride);
  }
  for (; t < count; t += kLanes) {
    score_panels<N, 1>(queries, query_stride, panels + t * head_size, head_size, scale, scores + t, stride);
  }
}

/// Where the mixed values of several queries go: each times a factor of its own.
struct MixedRows {
  const float* factors;
  float* out;
  std::size_t stride;
};

/// Sums of values weighted by the scores of N queries, for channels i … i + B · kLanes.
template <std::size_t N, std::size_t B, typename Row>
inline void mix_values(const float* scores, std::size_t stride, const std::byte* values, std::size_t count,
                       std::size_t head_size, std::size_t i, const MixedRows& mixed) {
  const std::size_t bytes = kv_row_bytes(Row::kType, head_size);
  Register sums[B][N] = {};
  for (std::size_t t = 0; t < count; ++t) {
    const Row row(values + t * bytes, head_size);
    Register numbers[B];
    for (std::size_t b = 0; b < B; ++b) numbers[b] = row.lanes(i + b * kLanes);
    for (std::size_t n = 0; n < N; ++n) {
      const float score = scores[n * stride + t];
      for (std::size_t b = 0; b < B; ++b) sums[b][n] += numbers[b] * score;
    }
  }
  for (std::size_t b = 0; b < B; ++b) {
    for (std::size_t n = 0; n < N; ++n) {
      store(mixed.out + n * mixed.stride + i + b * kLanes, sums[b][n] * mixed.factors[n]);
    }
  }
}

template <typename Row>
inline void attend_rows(const float* queries, std::size_t query_stride, std::size_t rows, const KvRows& cache,
                        std::size_t count, std::size_t head_size, float scale, float* scratch, float* out,
                        std::size_t out_stride) {
  constexpr std::size_t kQueries = 8;
  if (rows < kQueries || head_size % kLanes != 0) {
    for (std::size_t r = 0; r < rows; ++r) {
      attend_one<Row>(queries + r * query_stride, cache, count + r, head_size, scale, scratch, out + r * out_stride);
    }
    return;
  }
  const std::size_t most = count + rows - 1;
  const std::size_t stride = (most + kLanes - 1) / kLanes * kLanes;
  float* const scores = scratch + stride * head_size;
  pack_keys<Row>(cache.keys, most, head_size, scratch);
  for (std::size_t r = 0; r < rows; r += kQueries) {
    const std::size_t first = r + kQueries <= rows ? r : rows - kQueries;  // the last ones overlap those before
    const std::size_t seen = count + first + kQueries - 1;
    score_rows<kQueries>(queries + first * query_stride, query_stride, scratch, seen, head_size, scale, scores, stride);
    float inverses[kQueries];
    for (std::size_t n = 0; n < kQueries; ++n) {
      const std::size_t own = count + first + n;
      inverses[n] = 1.0F / exponentiate(scores + n * stride, own);
      for (std::size_t t = own; t < seen; ++t) scores[n * stride + t] = 0;
    }
    const MixedRows mixed{inverses, out + first * out_stride, out_stride};
    std::size_t i = 0;
    for (; i + kSideBySide * kLanes <= head_size; i += kSideBySide * kLanes) {
      mix_values<kQueries, kSideBySide, Row>(scores, stride, cache.values, seen, head_size, i, mixed);
    }
    for (; i < head_size; i += kLanes) {
      mix_values<kQueries, 1, Row>(scores, stride, cache.values, seen, head_size, i, mixed);
    }
  }
}

void attend(const float* queries, std::size_t query_stride, std::size_t rows, const KvRows& cache, std::size_t count,
            std::size_t head_size, float scale, float* scratch, float* out, std::size_t out_stride) {
  switch (cache.type) {
    case KvType::f32:
      return attend_rows<FloatRow>(queries, query_stride, rows, cache, count, head_size, scale, scratch, out,
                                   out_stride);
    case KvType::bf16:
      return attend_rows<HalfRow>(queries, query_stride, rows, cache, count, head_size, scale, scratch, out,
                                  out_stride);
    case KvType::q8_0:
      return attend_rows<ByteRow>(queries, query_stride, rows, cache, count, head_size, scale, scratch, out,
                                  out_stride);
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
