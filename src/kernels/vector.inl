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

// Keys and values of one head in a page, of each type: a register of number i of the keys from `place` on, the scales
// that those of a run share, and numbers of one value from i on (a multiple of kLanes), or one.

struct FloatPage {
  static constexpr KvType kType = KvType::f32;
  static constexpr bool kScaled = false;
  static Register keys(const std::byte* keys, std::size_t i, std::size_t place) {
    return load(reinterpret_cast<const float*>(keys) + i * kKvPage + place);
  }
  static Register lanes(const std::byte* row, std::size_t i, std::size_t /*head_size*/) {
    return load(reinterpret_cast<const float*>(row) + i);
  }
  static float one(const std::byte* row, std::size_t i, std::size_t /*head_size*/) {
    return reinterpret_cast<const float*>(row)[i];
  }
};

struct Bf16Page {
  static constexpr KvType kType = KvType::bf16;
  static constexpr bool kScaled = false;
  using Halves = std::uint16_t __attribute__((vector_size(2 * kLanes)));
  using Words = std::uint32_t __attribute__((vector_size(GYRE_VECTOR_BYTES)));
  static Register widened(const std::byte* from) {
    Halves halves;
    __builtin_memcpy(&halves, from, sizeof(halves));
    return __builtin_bit_cast(Register, __builtin_convertvector(halves, Words) << 16);
  }
  static Register keys(const std::byte* keys, std::size_t i, std::size_t place) {
    return widened(keys + 2 * (i * kKvPage + place));
  }
  static Register lanes(const std::byte* row, std::size_t i, std::size_t /*head_size*/) { return widened(row + 2 * i); }
  static float one(const std::byte* row, std::size_t i, std::size_t /*head_size*/) {
    std::uint16_t half = 0;
    __builtin_memcpy(&half, row + 2 * i, sizeof(half));
    return __builtin_bit_cast(float, static_cast<std::uint32_t>(half) << 16);
  }
};

struct BytePage {
  static constexpr KvType kType = KvType::q8_0;
  static constexpr bool kScaled = true;
  static_assert(kKvRun % kLanes == 0);
  using Codes = signed char __attribute__((vector_size(kLanes)));
  using Shorts = short __attribute__((vector_size(2 * kLanes)));
  static Register widened(const std::byte* from) {
    Codes bytes;
    __builtin_memcpy(&bytes, from, sizeof(bytes));
    // In two steps, each of which is one instruction.
    const auto words = __builtin_convertvector(__builtin_convertvector(bytes, Shorts), IntVector);
    return __builtin_convertvector(words, Register);
  }
  static Register keys(const std::byte* keys, std::size_t i, std::size_t place) {
    return widened(keys + i * kKvPage + place);
  }
  static Register key_scales(const std::byte* keys, std::size_t run, std::size_t place, std::size_t head_size) {
    return load(reinterpret_cast<const float*>(keys + kKvPage * kv_code_bytes(head_size)) + run * kKvPage + place);
  }
  static const float* scales(const std::byte* row, std::size_t head_size) {
    return reinterpret_cast<const float*>(row + kv_code_bytes(head_size));
  }
  static Register lanes(const std::byte* row, std::size_t i, std::size_t head_size) {
    return widened(row + i) * scales(row, head_size)[i / kKvRun];
  }
  static float one(const std::byte* row, std::size_t i, std::size_t head_size) {
    return static_cast<float>(static_cast<signed char>(row[i])) * scales(row, head_size)[i / kKvRun];
  }
};

/// What attention to one head reads, and how.
struct HeadView {
  const KvPages& cache;
  std::size_t size;  ///< numbers of a key
  float scale;
  std::size_t row_bytes;
};

/// Several queries of a head and their scores.
struct QueryRows {
  const float* queries;
  std::size_t query_stride;
  float* scores;
  std::size_t score_stride;
};

/// Adds to the scores of N queries the numbers [first, last) of B registers of keys.
template <typename Page, std::size_t N, std::size_t B>
inline void add_scores(const QueryRows& rows, const std::byte* const (&keys)[B], const std::size_t (&places)[B],
                       std::size_t first, std::size_t last, Register (&sums)[B][N]) {
  for (std::size_t i = first; i < last; ++i) {
    Register numbers[B];
    for (std::size_t b = 0; b < B; ++b) numbers[b] = Page::keys(keys[b], i, places[b]);
    for (std::size_t n = 0; n < N; ++n) {
      const float number = rows.queries[n * rows.query_stride + i];
      for (std::size_t b = 0; b < B; ++b) sums[b][n] += numbers[b] * number;
    }
  }
}

/// Scores of N queries against B registers of keys, from position t on; those of positions that do not exist are
/// whatever they are. Every score is a sum in the order of the numbers, whatever N and B are.
template <typename Page, std::size_t N, std::size_t B>
inline void score_registers(const HeadView& head, const QueryRows& rows, std::size_t t) {
  const std::byte* keys[B];
  std::size_t places[B];
  for (std::size_t b = 0; b < B; ++b) {
    keys[b] = head.cache.keys_of((t + b * kLanes) / kKvPage);
    places[b] = (t + b * kLanes) % kKvPage;
  }
  Register sums[B][N] = {};
  if constexpr (Page::kScaled) {
    for (std::size_t run = 0; run * kKvRun < head.size; ++run) {
      const std::size_t last = head.size < (run + 1) * kKvRun ? head.size : (run + 1) * kKvRun;
      Register codes[B][N] = {};
      add_scores<Page>(rows, keys, places, run * kKvRun, last, codes);
      for (std::size_t b = 0; b < B; ++b) {
        const Register scales = Page::key_scales(keys[b], run, places[b], head.size);
        for (std::size_t n = 0; n < N; ++n) sums[b][n] += codes[b][n] * scales;
      }
    }
  } else {
    add_scores<Page>(rows, keys, places, 0, head.size, sums);
  }
  for (std::size_t b = 0; b < B; ++b) {
    for (std::size_t n = 0; n < N; ++n) {
      store(rows.scores + n * rows.score_stride + t + b * kLanes, sums[b][n] * head.scale);
    }
  }
}

/// Scores of N queries against `count` positions, as many registers at a time as keep the multipliers busy.
template <typename Page, std::size_t N>
inline void score(const HeadView& head, const QueryRows& rows, std::size_t count) {
  constexpr std::size_t kRegisters = N == 1 ? 8 : (kLanes >= 16 ? 20 : 10) / N;  // of 32 or 16, for sums
  std::size_t t = 0;
  for (; t + kRegisters * kLanes <= count; t += kRegisters * kLanes) {
    score_registers<Page, N, kRegisters>(head, rows, t);
  }
  if constexpr (kRegisters > 2) {
    for (; t + 2 * kLanes <= count; t += 2 * kLanes) score_registers<Page, N, 2>(head, rows, t);
  }
  for (; t < count; t += kLanes) score_registers<Page, N, 1>(head, rows, t);
}

/// Where the mixed values of several queries go: each times a factor of its own.
struct MixedRows {
  const float* factors;
  float* out;
  std::size_t stride;
};

/// Sums of values weighted by the scores of N queries, for channels i … i + B · kLanes, in the order of the positions.
/// The first query sees `count` of them, each further KvPages::growth more, or of them the last of its window.
template <typename Page, std::size_t N, std::size_t B>
inline void mix_channels(const HeadView& head, const QueryRows& rows, std::size_t count, std::size_t i,
                         const MixedRows& mixed) {
  Register sums[B][N] = {};
  const std::size_t growth = head.cache.growth;
  const std::size_t last_begin = head.cache.first_seen(count + growth * (N - 1));
  const std::size_t common = last_begin < count ? last_begin : count;  // from here on all see them
  // What a query does not see counts nothing, not even nothing times infinity.
  const auto add_where_seen = [&](std::size_t t) {
    const std::byte* const row = head.cache.value(t, head.row_bytes);
    for (std::size_t n = 0; n < N; ++n) {
      if (t >= count + growth * n || t < head.cache.first_seen(count + growth * n)) continue;
      const float score = rows.scores[n * rows.score_stride + t];
      for (std::size_t b = 0; b < B; ++b) sums[b][n] += Page::lanes(row, i + b * kLanes, head.size) * score;
    }
  };
  for (std::size_t t = head.cache.first_seen(count); t < common; ++t) add_where_seen(t);
  for (std::size_t begin = common; begin < count;) {
    const std::byte* row = head.cache.value(begin, head.row_bytes);
    const std::size_t page_end = (begin / kKvPage + 1) * kKvPage;
    const std::size_t end = count < page_end ? count : page_end;
    for (std::size_t t = begin; t < end; ++t, row += head.row_bytes) {
      for (std::size_t b = 0; b < B; ++b) {
        const Register numbers = Page::lanes(row, i + b * kLanes, head.size);
        for (std::size_t n = 0; n < N; ++n) sums[b][n] += numbers * rows.scores[n * rows.score_stride + t];
      }
    }
    begin = end;
  }
  for (std::size_t t = count; t < count + growth * (N - 1); ++t) add_where_seen(t);
  for (std::size_t b = 0; b < B; ++b) {
    for (std::size_t n = 0; n < N; ++n) {
      store(mixed.out + n * mixed.stride + i + b * kLanes, sums[b][n] * mixed.factors[n]);
    }
  }
}

template <typename Page, std::size_t N>
inline void mix(const HeadView& head, const QueryRows& rows, std::size_t count, const MixedRows& mixed) {
  constexpr std::size_t kSums = kLanes >= 16 ? 16 : 12;
  constexpr std::size_t kSideBySide = N * 4 <= kSums ? 4 : (N * 2 <= kSums ? 2 : 1);
  std::size_t i = 0;
  if constexpr (N == 1) {
    for (; i + 8 * kLanes <= head.size; i += 8 * kLanes) mix_channels<Page, N, 8>(head, rows, count, i, mixed);
  }
  for (; i + kSideBySide * kLanes <= head.size; i += kSideBySide * kLanes) {
    mix_channels<Page, N, kSideBySide>(head, rows, count, i, mixed);
  }
  for (; i + kLanes <= head.size; i += kLanes) mix_channels<Page, N, 1>(head, rows, count, i, mixed);
  for (; i < head.size; ++i) {
    for (std::size_t n = 0; n < N; ++n) {
      float sum = 0;
      const std::size_t end = count + head.cache.growth * n;
      for (std::size_t t = head.cache.first_seen(end); t < end; ++t) {
        sum += rows.scores[n * rows.score_stride + t] * Page::one(head.cache.value(t, head.row_bytes), i, head.size);
      }
      mixed.out[n * mixed.stride + i] = sum * mixed.factors[n];
    }
  }
}

/// N queries, the first of which sees `count` positions.
template <typename Page, std::size_t N>
inline void attend_together(const HeadView& head, const QueryRows& rows, std::size_t count, float* out,
                            std::size_t out_stride) {
  const std::size_t growth = head.cache.growth;
  score<Page, N>(head, rows, count + growth * (N - 1));
  float inverses[N];
  for (std::size_t n = 0; n < N; ++n) {
    const std::size_t end = count + growth * n;
    const std::size_t first = head.cache.first_seen(end);
    inverses[n] = 1.0F / exponentiate(rows.scores + n * rows.score_stride + first, end - first);
  }
  mix<Page, N>(head, rows, count, {inverses, out, out_stride});
}

template <typename Page>
inline void attend_rows(const float* queries, std::size_t query_stride, std::size_t rows, const KvPages& cache,
                        std::size_t count, std::size_t head_size, float scale, float* scratch, float* out,
                        std::size_t out_stride) {
  constexpr std::size_t kMost = 8;
  constexpr auto kAll = attend_together<Page, kMost>;
  constexpr decltype(kAll) kFew[] = {attend_together<Page, 1>, attend_together<Page, 2>, attend_together<Page, 3>,
                                     attend_together<Page, 4>};
  const std::size_t stride = (count + rows - 1 + kKvPage - 1) / kKvPage * kKvPage;
  for (std::size_t r = 0; r < rows;) {
    const std::size_t few = rows - r < 4 ? rows - r : 4;
    const std::size_t n = rows >= kMost ? kMost : few;
    const std::size_t first = r + n > rows ? rows - n : r;  // the last ones overlap those before
    const QueryRows some{queries + first * query_stride, query_stride, scratch, stride};
    std::size_t seen = count + cache.growth * first;
    const KvPages pages = cache.from_first_seen(seen);
    (n == kMost ? kAll : kFew[n - 1])({pages, head_size, scale, kv_row_bytes(Page::kType, head_size)}, some, seen,
                                      out + first * out_stride, out_stride);
    r += n;
  }
}

void attend(const float* queries, std::size_t query_stride, std::size_t rows, const KvPages& cache, std::size_t count,
            std::size_t head_size, float scale, float* scratch, float* out, std::size_t out_stride) {
  switch (cache.type) {
    case KvType::f32:
      return attend_rows<FloatPage>(queries, query_stride, rows, cache, count, head_size, scale, scratch, out,
                                    out_stride);
    case KvType::bf16:
      return attend_rows<Bf16Page>(queries, query_stride, rows, cache, count, head_size, scale, scratch, out,
                                   out_stride);
    case KvType::q8_0:
      return attend_rows<BytePage>(queries, query_stride, rows, cache, count, head_size, scale, scratch, out,
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
