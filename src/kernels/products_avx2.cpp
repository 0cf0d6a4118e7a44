#include "kernels/tables.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

namespace gyre::avx2 {
namespace {

/// Columns of y that share one pass over a panel: 2 × 4 sums leave half of the 16 registers to weights and products.
constexpr std::size_t kMostColumns = 4;

/// Sums of one panel, 16 rows by N columns: rows 0 to 7, then 8 to 15.
template <std::size_t N>
struct Sums {
  __m256 of[N][2];
};

inline __m256i load(const std::byte* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); }
inline __m256 load_floats(const std::byte* p) { return _mm256_castsi256_ps(load(p)); }

/// Columns `first` … `last` of the matrix alone.
template <std::size_t N>
inline Sums<N> panel_f32(const std::byte* panel, const Activations& x, std::size_t column, std::size_t first,
                         std::size_t last) {
  const float* const floats = x.floats + column * x.columns;
  Sums<N> sums = {};
  for (std::size_t i = first; i < last; ++i) {
    const __m256 low = load_floats(panel + i * 64);
    const __m256 high = load_floats(panel + i * 64 + 32);
    for (std::size_t c = 0; c < N; ++c) {
      const __m256 value = _mm256_set1_ps(floats[c * x.columns + i]);
      sums.of[c][0] = _mm256_fmadd_ps(low, value, sums.of[c][0]);
      sums.of[c][1] = _mm256_fmadd_ps(high, value, sums.of[c][1]);
    }
  }
  return sums;
}

inline __m256 first_of_pair(__m256i pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)); }
inline __m256 second_of_pair(__m256i pairs) {
  return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xffff0000U))));
}

/// The same, `first` being even.
template <std::size_t N>
inline Sums<N> panel_bf16(const std::byte* panel, const Activations& x, std::size_t column, std::size_t first_column,
                          std::size_t last) {
  const float* const floats = x.floats + column * x.columns;
  Sums<N> sums = {};
  for (std::size_t i = first_column; i < last; i += 2) {
    for (std::size_t half = 0; half < 2; ++half) {
      const __m256i weights = load(panel + i * 32 + half * 32);
      const __m256 first = first_of_pair(weights);
      const __m256 second = second_of_pair(weights);
      for (std::size_t c = 0; c < N; ++c) {
        const float* const two = floats + c * x.columns + i;
        const float behind = i + 1 < x.columns ? two[1] : 0.0F;
        sums.of[c][half] = _mm256_fmadd_ps(first, _mm256_set1_ps(two[0]), sums.of[c][half]);
        sums.of[c][half] = _mm256_fmadd_ps(second, _mm256_set1_ps(behind), sums.of[c][half]);
      }
    }
  }
  return sums;
}

inline __m256i four_bytes(const std::int8_t* bytes) {
  int word = 0;
  __builtin_memcpy(&word, bytes, sizeof word);
  return _mm256_set1_epi32(word);
}

/// For each row the sum of its 4 codes times 4 bytes. Codes below 16 leave the 16-bit sums of maddubs far from their
/// limit; codes of 8 bits would not.
template <bool Small>
inline __m256i dot4(__m256i codes, __m256i bytes) {
  if constexpr (Small) return _mm256_madd_epi16(_mm256_maddubs_epi16(codes, bytes), _mm256_set1_epi16(1));
  const __m256i even = _mm256_madd_epi16(_mm256_and_si256(codes, _mm256_set1_epi16(255)),
                                         _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8));
  const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(codes, 8), _mm256_srai_epi16(bytes, 8));
  return _mm256_add_epi32(even, odd);
}

/// Codes of one run, 4 of a row in each vector, of one half of the panel.
template <WeightType Type>
inline void read_codes(const std::byte* step, std::size_t run, std::size_t half, __m256i (&codes)[8]) {
  constexpr auto kBits = static_cast<int>(code_bits(Type));
  constexpr std::size_t kFields = 8 / kBits;
  const __m256i low = _mm256_set1_epi8(static_cast<char>((1 << kBits) - 1));
  for (std::size_t v = 0; v < 8 / kFields; ++v) {
    const __m256i packed = load(step + (run * 8 / kFields + v) * 64 + half * 32);
    for (std::size_t i = 0; i < kFields; ++i) {
      codes[v * kFields + i] = _mm256_and_si256(_mm256_srli_epi16(packed, static_cast<int>(i) * kBits), low);
    }
  }
}

template <WeightType Type, std::size_t N>
inline Sums<N> panel_coded(const std::byte* panel, const Activations& x, std::size_t column) {
  constexpr bool kTernary = Type == WeightType::ternary;
  constexpr std::size_t kScales = step_bytes(Type) - kPanelVector;
  constexpr std::size_t kStep = kScales + 64;
  constexpr std::size_t kRuns = kTernary ? 8 : 2;  // of a step
  constexpr int kZero = zero_code(Type);
  const std::size_t padded = padded_columns(x.columns);
  Sums<N> sums = {};
  for (std::size_t run = 0; run < padded / kByteRun; ++run) {
    const std::byte* const step = panel + run / kRuns * kStep;
    for (std::size_t half = 0; half < 2; ++half) {
      __m256i codes[8];
      read_codes<Type>(step, run % kRuns, half, codes);
      const std::byte* const halves = step + kScales + (kTernary ? 0 : run % kRuns * 32) + half * 16;
      const __m256 scales = _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(halves)));
      for (std::size_t c = 0; c < N; ++c) {
        const std::size_t place = (column + c) * padded / kByteRun + run;
        const std::int8_t* const bytes = x.rounded.bytes + (column + c) * padded + run * kByteRun;
        __m256i whole = _mm256_set1_epi32(x.rounded.zeros[place] / (128 / kZero));
        for (std::size_t v = 0; v < 8; ++v) {
          whole = _mm256_add_epi32(whole, dot4<Type != WeightType::q8_0>(codes[v], four_bytes(bytes + 4 * v)));
        }
        const __m256 scale = _mm256_mul_ps(scales, _mm256_set1_ps(x.rounded.scales[place]));
        sums.of[c][half] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), scale, sums.of[c][half]);
      }
    }
  }
  return sums;
}

template <std::size_t N>
inline void put(const Sums<N>& sums, std::size_t row, std::size_t rows, std::size_t column, const ProductOut& out) {
  for (std::size_t c = 0; c < N; ++c) {
    float values[kPanelRows];
    _mm256_storeu_ps(values, sums.of[c][0]);
    _mm256_storeu_ps(values + 8, sums.of[c][1]);
    float* const y = out.y + (column + c) * out.stride + row;
    for (std::size_t r = 0; r < (rows < kPanelRows ? rows : kPanelRows); ++r) {
      const float sum = values[r] + (out.bias == nullptr ? 0.0F : out.bias[row + r]);
      y[r] = out.add ? y[r] + sum : sum;
    }
  }
}

template <WeightType Type, std::size_t N>
inline void multiply_panel(const std::byte* panel, const Activations& x, std::size_t row, std::size_t rows,
                           std::size_t column, const ProductOut& out) {
  if constexpr (is_coded(Type)) {
    put(panel_coded<Type, N>(panel, x, column), row, rows, column, out);
  } else {
    for (std::size_t first = 0; first < x.columns; first += kSumColumns) {
      const std::size_t last = first + kSumColumns < x.columns ? first + kSumColumns : x.columns;
      put(Type == WeightType::f32 ? panel_f32<N>(panel, x, column, first, last)
                                  : panel_bf16<N>(panel, x, column, first, last),
          row, rows, column, first == 0 ? out : ProductOut{out.y, out.stride, nullptr, true});
    }
  }
}

template <WeightType Type>
void multiply_type(const PackedMatrix& weights, const Activations& x, std::size_t first, std::size_t last,
                   const ProductOut& out) {
  const std::size_t size = panel_bytes(Type, weights.columns);
  for (std::size_t p = first; p < last; ++p) {
    const std::byte* const panel = weights.data + p * size;
    const std::size_t row = p * kPanelRows;
    const std::size_t rows = weights.rows - row;
    std::size_t c = 0;
    for (; c + kMostColumns <= x.count; c += kMostColumns) {
      multiply_panel<Type, kMostColumns>(panel, x, row, rows, c, out);
    }
    for (; c < x.count; ++c) multiply_panel<Type, 1>(panel, x, row, rows, c, out);
  }
}

}  // namespace

void multiply(const PackedMatrix& weights, const Activations& x, std::size_t first_panel, std::size_t last_panel,
              const ProductOut& out) {
  with_type(weights.type, [&]<WeightType Type> { multiply_type<Type>(weights, x, first_panel, last_panel, out); });
}

void round_to_bytes(const float* x, std::size_t count, std::size_t columns, const ByteRows& out) {
  const std::size_t padded = padded_columns(columns);
  for (std::size_t t = 0; t < count; ++t) {
    for (std::size_t run = 0; run < padded / kByteRun; ++run) {
      const std::size_t first = run * kByteRun;
      const std::size_t there = first >= columns ? 0 : (columns - first < kByteRun ? columns - first : kByteRun);
      float values[kByteRun] = {};
      __builtin_memcpy(values, x + t * columns + (there == 0 ? 0 : first), there * sizeof(float));
      float largest = 0;
      for (const float value : values) {
        const float size = value < 0 ? -value : value;
        largest = size > largest ? size : largest;
      }
      if (largest < kSmallestRun) largest = 0;
      const __m256 inverse = _mm256_set1_ps(largest > 0 ? 127.0F / largest : 0.0F);
      std::int32_t sum = 0;
      for (std::size_t i = 0; i < kByteRun; i += 8) {
        alignas(32) std::int32_t whole[8];
        _mm256_store_si256(reinterpret_cast<__m256i*>(whole),
                           _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(values + i), inverse)));
        for (std::size_t k = 0; k < 8; ++k) {
          out.bytes[t * padded + first + i + k] = static_cast<std::int8_t>(whole[k]);
          sum += whole[k];
        }
      }
      out.scales[t * padded / kByteRun + run] = largest / 127.0F;
      out.zeros[t * padded / kByteRun + run] = -128 * sum;
    }
  }
}

}  // namespace gyre::avx2
#endif
