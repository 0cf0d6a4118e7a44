#include "kernels/tables.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

namespace gyre::avx512 {
namespace {

/// Columns of y that share one pass over a panel: their sums and the codes of a block fill the 32 registers.
constexpr std::size_t kMostColumns = 12;

/// Sums of one panel: 16 rows by N columns.
template <std::size_t N>
struct Sums {
  __m512 of[N];
};

inline __m512i load(const std::byte* p) { return _mm512_load_si512(p); }

/// Sums of each column that are folded at the end: so that no addition waits for the one before it when there are few
/// columns, and so that fewer roundings follow one another.
template <std::size_t N>
constexpr std::size_t kWays = N == 1 ? 8 : (N <= 4 ? 4 : 2);

template <std::size_t N>
inline Sums<N> folded(const __m512 (&sums)[kWays<N>][N]) {
  Sums<N> out = {};
  for (std::size_t c = 0; c < N; ++c) {
    out.of[c] = sums[0][c];
    for (std::size_t w = 1; w < kWays<N>; ++w) out.of[c] = _mm512_add_ps(out.of[c], sums[w][c]);
  }
  return out;
}

template <std::size_t N>
inline Sums<N> panel_f32(const std::byte* panel, const Activations& x, std::size_t column) {
  constexpr std::size_t kWay = kWays<N>;
  const float* const floats = x.floats + column * x.columns;
  __m512 sums[kWay][N] = {};
  std::size_t i = 0;
  for (; i + kWay <= x.columns; i += kWay) {
    for (std::size_t w = 0; w < kWay; ++w) {
      const __m512 weights = _mm512_load_ps(panel + (i + w) * 64);
      for (std::size_t c = 0; c < N; ++c) {
        sums[w][c] = _mm512_fmadd_ps(weights, _mm512_set1_ps(floats[c * x.columns + i + w]), sums[w][c]);
      }
    }
  }
  for (; i < x.columns; ++i) {
    const __m512 weights = _mm512_load_ps(panel + i * 64);
    for (std::size_t c = 0; c < N; ++c) {
      sums[0][c] = _mm512_fmadd_ps(weights, _mm512_set1_ps(floats[c * x.columns + i]), sums[0][c]);
    }
  }
  return folded<N>(sums);
}

inline __m512 first_of_pair(__m512i pairs) { return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)); }
inline __m512 second_of_pair(__m512i pairs) {
  return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000U))));
}

template <std::size_t N>
inline Sums<N> panel_bf16(const std::byte* panel, const Activations& x, std::size_t column) {
  constexpr std::size_t kWay = kWays<N>;
  const float* const floats = x.floats + column * x.columns;
  const std::size_t pairs = x.columns / 2;
  __m512 sums[kWay][N] = {};
  const auto add_pair = [&](std::size_t pair, __m512(&into)[N]) {
    const __m512i weights = load(panel + pair * 64);
    const __m512 first = first_of_pair(weights);
    const __m512 second = second_of_pair(weights);
    for (std::size_t c = 0; c < N; ++c) {
      const float* const two = floats + c * x.columns + 2 * pair;
      into[c] = _mm512_fmadd_ps(first, _mm512_set1_ps(two[0]), into[c]);
      into[c] = _mm512_fmadd_ps(second, _mm512_set1_ps(two[1]), into[c]);
    }
  };
  std::size_t i = 0;
  for (; i + kWay <= pairs; i += kWay) {
    for (std::size_t w = 0; w < kWay; ++w) add_pair(i + w, sums[w]);
  }
  for (; i < pairs; ++i) add_pair(i, sums[0]);
  if (x.columns % 2 != 0) {
    const __m512 first = first_of_pair(load(panel + pairs * 64));
    for (std::size_t c = 0; c < N; ++c) {
      sums[0][c] = _mm512_fmadd_ps(first, _mm512_set1_ps(floats[c * x.columns + 2 * pairs]), sums[0][c]);
    }
  }
  return folded<N>(sums);
}

/// Rounded activations of one column.
struct ByteColumn {
  const std::int8_t* bytes;
  const float* scales;
  const std::int32_t* sums;
};
inline ByteColumn byte_column(const Activations& x, std::size_t column) {
  const std::size_t padded = padded_columns(x.columns);
  const std::size_t runs = column * padded / kByteRun;
  return {x.rounded.bytes + column * padded, x.rounded.scales + runs, x.rounded.sums + runs};
}

inline __m512i four_bytes(const std::int8_t* bytes) {
  int word = 0;
  __builtin_memcpy(&word, bytes, sizeof word);
  return _mm512_set1_epi32(word);
}

/// Sums of codes times bytes over one run: 8 vectors of codes, 4 of a row in each.
inline __m512 run_of_codes(const __m512i (&codes)[8], const ByteColumn& x, std::size_t run, int zero) {
  const std::int8_t* const bytes = x.bytes + run * kByteRun;
  __m512i even = _mm512_set1_epi32(-zero * x.sums[run]);
  __m512i odd = _mm512_setzero_si512();
  for (std::size_t v = 0; v < 8; v += 2) {
    even = _mm512_dpbusd_epi32(even, codes[v], four_bytes(bytes + 4 * v));
    odd = _mm512_dpbusd_epi32(odd, codes[v + 1], four_bytes(bytes + 4 * v + 4));
  }
  return _mm512_cvtepi32_ps(_mm512_add_epi32(even, odd));
}

inline __m512 scales_of(const std::byte* scales, std::size_t block) {
  return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(scales) + block));
}

inline void read_codes_q8(const std::byte* step, std::size_t block, __m512i (&codes)[8]) {
  for (std::size_t v = 0; v < 8; ++v) codes[v] = load(step + (block * 8 + v) * 64);
}

/// Far enough ahead for the third-level cache, near enough to stay in the first. The processor's own prefetching begins
/// anew on every page.
inline void prefetch(const std::byte* p) {
  constexpr std::size_t kAhead = 2048;
  _mm_prefetch(reinterpret_cast<const char*>(p + kAhead), _MM_HINT_T0);
}

inline void read_codes_q4(const std::byte* step, std::size_t block, __m512i (&codes)[8]) {
  const __m512i low = _mm512_set1_epi8(15);
  for (std::size_t v = 0; v < 4; ++v) {
    const std::byte* const vector = step + (block * 4 + v) * 64;
    const __m512i both = load(vector);
    prefetch(vector);
    codes[2 * v] = _mm512_and_si512(both, low);
    codes[2 * v + 1] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
  }
}

/// q8_0 and q4_0: a scale for each run.
template <WeightType Type, std::size_t N>
inline Sums<N> panel_coded(const std::byte* panel, const Activations& x, std::size_t column) {
  constexpr bool kEight = Type == WeightType::q8_0;
  constexpr std::size_t kScales = kEight ? 1024 : 512;
  constexpr std::size_t kStep = kScales + 64;
  ByteColumn columns[N];
  for (std::size_t c = 0; c < N; ++c) columns[c] = byte_column(x, column + c);
  Sums<N> sums = {};
  const std::size_t runs = padded_columns(x.columns) / kByteRun;
  for (std::size_t run = 0; run < runs; ++run) {
    const std::byte* const step = panel + run / 2 * kStep;
    __m512i codes[8];
    kEight ? read_codes_q8(step, run % 2, codes) : read_codes_q4(step, run % 2, codes);
    const __m512 scales = scales_of(step + kScales, run % 2);
    for (std::size_t c = 0; c < N; ++c) {
      const __m512 products = run_of_codes(codes, columns[c], run, kEight ? 128 : 8);
      const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(columns[c].scales[run]));
      sums.of[c] = _mm512_fmadd_ps(products, scale, sums.of[c]);
    }
  }
  return sums;
}

/// A scale for each 8 runs.
template <std::size_t N>
inline Sums<N> panel_ternary(const std::byte* panel, const Activations& x, std::size_t column) {
  constexpr std::size_t kRuns = 8;
  constexpr std::size_t kScales = 1024;
  constexpr std::size_t kStep = kScales + 64;
  const __m512i low = _mm512_set1_epi8(3);
  ByteColumn columns[N];
  for (std::size_t c = 0; c < N; ++c) columns[c] = byte_column(x, column + c);
  Sums<N> sums = {};
  for (std::size_t block = 0; block < x.columns / (kRuns * kByteRun); ++block) {
    const std::byte* const step = panel + block * kStep;
    Sums<N> inner = {};
    for (std::size_t r = 0; r < kRuns; ++r) {
      __m512i codes[8];
      for (std::size_t v = 0; v < 2; ++v) {
        const __m512i four = load(step + (r * 2 + v) * 64);
        codes[4 * v] = _mm512_and_si512(four, low);
        codes[4 * v + 1] = _mm512_and_si512(_mm512_srli_epi16(four, 2), low);
        codes[4 * v + 2] = _mm512_and_si512(_mm512_srli_epi16(four, 4), low);
        codes[4 * v + 3] = _mm512_and_si512(_mm512_srli_epi16(four, 6), low);
      }
      const std::size_t run = block * kRuns + r;
      for (std::size_t c = 0; c < N; ++c) {
        const __m512 products = run_of_codes(codes, columns[c], run, 1);
        inner.of[c] = _mm512_fmadd_ps(products, _mm512_set1_ps(columns[c].scales[run]), inner.of[c]);
      }
    }
    const __m512 scales = scales_of(step + kScales, 0);
    for (std::size_t c = 0; c < N; ++c) sums.of[c] = _mm512_fmadd_ps(inner.of[c], scales, sums.of[c]);
  }
  return sums;
}

template <WeightType Type, std::size_t N>
inline Sums<N> panel_of(const std::byte* panel, const Activations& x, std::size_t column) {
  if constexpr (Type == WeightType::f32) return panel_f32<N>(panel, x, column);
  if constexpr (Type == WeightType::bf16) return panel_bf16<N>(panel, x, column);
  if constexpr (Type == WeightType::ternary) return panel_ternary<N>(panel, x, column);
  if constexpr (Type == WeightType::q8_0 || Type == WeightType::q4_0) return panel_coded<Type, N>(panel, x, column);
}

template <std::size_t N>
inline void put(const Sums<N>& sums, std::size_t row, std::size_t rows, std::size_t column, const ProductOut& out) {
  const auto mask = static_cast<__mmask16>(rows >= kPanelRows ? 0xffffU : (1U << rows) - 1U);
  const __m512 bias = out.bias == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(mask, out.bias + row);
  for (std::size_t c = 0; c < N; ++c) {
    float* const y = out.y + (column + c) * out.stride + row;
    __m512 sum = _mm512_add_ps(sums.of[c], bias);
    if (out.add) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, y));
    _mm512_mask_storeu_ps(y, mask, sum);
  }
}

/// One panel by all columns from `column` on, `N` at a time.
template <WeightType Type, std::size_t N>
inline std::size_t columns_of_panel(const std::byte* panel, const Activations& x, std::size_t column, std::size_t row,
                                    std::size_t rows, const ProductOut& out) {
  for (; column + N <= x.count; column += N) put(panel_of<Type, N>(panel, x, column), row, rows, column, out);
  return column;
}

template <WeightType Type>
void multiply_type(const PackedMatrix& weights, const Activations& x, std::size_t first, std::size_t last,
                   const ProductOut& out) {
  const std::size_t size = panel_bytes(Type, weights.columns);
  for (std::size_t p = first; p < last; ++p) {
    const std::byte* const panel = weights.data + p * size;
    const std::size_t row = p * kPanelRows;
    const std::size_t rows = weights.rows - row;
    std::size_t column = columns_of_panel<Type, kMostColumns>(panel, x, 0, row, rows, out);
    column = columns_of_panel<Type, 8>(panel, x, column, row, rows, out);
    column = columns_of_panel<Type, 4>(panel, x, column, row, rows, out);
    column = columns_of_panel<Type, 2>(panel, x, column, row, rows, out);
    columns_of_panel<Type, 1>(panel, x, column, row, rows, out);
  }
}

}  // namespace

void multiply(const PackedMatrix& weights, const Activations& x, std::size_t first_panel, std::size_t last_panel,
              const ProductOut& out) {
  switch (weights.type) {
    case WeightType::f32:
      return multiply_type<WeightType::f32>(weights, x, first_panel, last_panel, out);
    case WeightType::bf16:
      return multiply_type<WeightType::bf16>(weights, x, first_panel, last_panel, out);
    case WeightType::q8_0:
      return multiply_type<WeightType::q8_0>(weights, x, first_panel, last_panel, out);
    case WeightType::q4_0:
      return multiply_type<WeightType::q4_0>(weights, x, first_panel, last_panel, out);
    case WeightType::ternary:
      return multiply_type<WeightType::ternary>(weights, x, first_panel, last_panel, out);
  }
}

void round_to_bytes(const float* x, std::size_t count, std::size_t columns, const ByteRows& out) {
  const std::size_t padded = padded_columns(columns);
  for (std::size_t t = 0; t < count; ++t) {
    for (std::size_t run = 0; run < padded / kByteRun; ++run) {
      const std::size_t first = run * kByteRun;
      const std::size_t there = first >= columns ? 0 : (columns - first < kByteRun ? columns - first : kByteRun);
      const auto mask = static_cast<std::uint32_t>((std::uint64_t{1} << there) - 1);
      const float* const from = x + t * columns + (there == 0 ? 0 : first);
      const __m512 low = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), from);
      const __m512 high = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16U), from + 16);
      float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
      if (largest < kSmallestRun) largest = 0;
      const __m512 inverse = _mm512_set1_ps(largest > 0 ? 127.0F / largest : 0.0F);
      const __m512i first_half = _mm512_cvtps_epi32(_mm512_mul_ps(low, inverse));
      const __m512i second_half = _mm512_cvtps_epi32(_mm512_mul_ps(high, inverse));
      auto* const bytes = reinterpret_cast<__m128i*>(out.bytes + t * padded + first);
      _mm_storeu_si128(bytes, _mm512_cvtepi32_epi8(first_half));
      _mm_storeu_si128(bytes + 1, _mm512_cvtepi32_epi8(second_half));
      const std::size_t place = t * padded / kByteRun + run;
      out.scales[place] = largest / 127.0F;
      out.sums[place] = _mm512_reduce_add_epi32(_mm512_add_epi32(first_half, second_half));
    }
  }
}

}  // namespace gyre::avx512
#endif
