#include "kernels/tables.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include <bit>
#include <utility>

namespace gyre::avx512 {
namespace {

#include "kernels/panel_codes.inl"
#include "kernels/panel_output.inl"

/// Columns of y that share one pass over a panel: their sums and the codes of a block fill the 32 registers.
constexpr std::size_t kMostColumns = 12;
/// Panels side by side: with one number in hand for two rows of registers, loads are no longer what there is most of.
template <WeightType Type>
constexpr std::size_t kSideBySide = Type == WeightType::ternary ? 1 : 2;

/// Sums of P panels that lie one after the other, 16 rows each, by N columns.
template <std::size_t N, std::size_t P>
struct Sums {
  __m512 of[P][N];
};

/// Panels one after the other.
struct Panels {
  const std::byte* first;
  std::size_t bytes;  ///< of one

  [[nodiscard]] const std::byte* at(std::size_t panel, std::size_t offset) const {
    return first + panel * bytes + offset;
  }
};

// Every sum is made in the order of its columns, one after the other, whatever else is computed beside it: a row of
// activations gives the same numbers alone and among others. So that additions need not wait for one another there are
// as many sums at once as it takes, of panels where there are few rows.

/// Columns `first` … `last` of the matrix alone.
template <std::size_t N, std::size_t P>
inline Sums<N, P> sums_f32(const Panels& panels, const Activations& x, std::size_t column, std::size_t first,
                           std::size_t last) {
  const float* const floats = x.floats + column * x.columns;
  Sums<N, P> sums = {};
  for (std::size_t i = first; i < last; ++i) {
    __m512 weights[P];
    for (std::size_t p = 0; p < P; ++p) {
      weights[p] = _mm512_load_ps(panels.at(p, i * 64));
      if constexpr (N == 1) prefetch(panels.at(p, i * 64));
    }
    for (std::size_t c = 0; c < N; ++c) {
      const __m512 number = _mm512_set1_ps(floats[c * x.columns + i]);
      for (std::size_t p = 0; p < P; ++p) sums.of[p][c] = _mm512_fmadd_ps(weights[p], number, sums.of[p][c]);
    }
  }
  return sums;
}

inline __m512 first_of_pair(__m512i pairs) { return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)); }
inline __m512 second_of_pair(__m512i pairs) {
  return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000U))));
}

/// The same, `first` being even.
template <std::size_t N, std::size_t P>
inline Sums<N, P> sums_bf16(const Panels& panels, const Activations& x, std::size_t column, std::size_t first_column,
                            std::size_t last) {
  const float* const floats = x.floats + column * x.columns;
  Sums<N, P> sums = {};
  std::size_t i = first_column;
  for (; i + 2 <= last; i += 2) {
    __m512 numbers[N][2];
    for (std::size_t c = 0; c < N; ++c) {
      for (std::size_t k = 0; k < 2; ++k) numbers[c][k] = _mm512_set1_ps(floats[c * x.columns + i + k]);
    }
    for (std::size_t p = 0; p < P; ++p) {
      const __m512i weights = load(panels.at(p, i * 32));
      if constexpr (N == 1) prefetch(panels.at(p, i * 32));
      const __m512 first = first_of_pair(weights);
      const __m512 second = second_of_pair(weights);
      for (std::size_t c = 0; c < N; ++c) {
        sums.of[p][c] = _mm512_fmadd_ps(first, numbers[c][0], sums.of[p][c]);
        sums.of[p][c] = _mm512_fmadd_ps(second, numbers[c][1], sums.of[p][c]);
      }
    }
  }
  if (i == last) return sums;
  for (std::size_t p = 0; p < P; ++p) {
    const __m512 first = first_of_pair(load(panels.at(p, i * 32)));
    for (std::size_t c = 0; c < N; ++c) {
      sums.of[p][c] = _mm512_fmadd_ps(first, _mm512_set1_ps(floats[c * x.columns + i]), sums.of[p][c]);
    }
  }
  return sums;
}

/// Rounded activations from a column on: those of the next column are one stride away.
struct ByteColumns {
  const std::int8_t* bytes;
  const float* scales;
  const std::int32_t* zeros;
  const float* sums;
  const std::int32_t* half_zeros;
  std::size_t stride;  ///< of the bytes; the others have one for each run of them, the last two

  /// Where what a run has one of lies.
  [[nodiscard]] std::size_t place(std::size_t column, std::size_t run) const {
    return column * (stride / kByteRun) + run;
  }
};
inline ByteColumns byte_columns(const Activations& x, std::size_t column) {
  const std::size_t padded = padded_columns(x.columns);
  const std::size_t runs = column * padded / kByteRun;
  return {x.rounded.bytes + column * padded,
          x.rounded.scales + runs,
          x.rounded.zeros + runs,
          x.rounded.sums + runs,
          x.rounded.half_zeros + 2 * runs,
          padded};
}

inline __m512i four_bytes(const std::int8_t* bytes) {
  int word = 0;
  __builtin_memcpy(&word, bytes, sizeof word);
  return _mm512_set1_epi32(word);
}

/// Whether the codes of a type can stay where they lie in a byte that they share with others. There they count as many
/// times more: a sum of them is moved down once, instead of every vector.
constexpr bool stays_in_place(const WeightLayout& layout) { return layout.high_bits == 0 && !layout.is_looked_up(); }

// Codes and sums are to stay in registers, so none of these may become a function that is called:
// [[gnu::always_inline]].

template <WeightType Type>
[[gnu::always_inline]] inline void read_codes(const std::byte* step, std::size_t run, Codes& codes) {
  if constexpr (!stays_in_place(layout_of(Type))) return read_whole_codes<Type>(step, run, codes);
  constexpr unsigned kBits = layout_of(Type).code_bits;
  constexpr std::size_t kFields = 8 / kBits;
  const std::byte* const vectors = step + run * kBits * 64;
  for (std::size_t v = 0; v < kBits; ++v) {
    const __m512i together = load(vectors + v * 64);
    prefetch(vectors + v * 64);
    for (std::size_t i = 0; i < kFields; ++i) {
      const auto mask = static_cast<char>(((1U << kBits) - 1U) << (i * kBits));
      codes[v * kFields + i] = kFields == 1 ? together : _mm512_and_si512(together, _mm512_set1_epi8(mask));
    }
  }
}

/// Runs of a block may have two scales: a sum for each.
template <WeightType Type>
constexpr std::size_t kPieces = layout_of(Type).scale_columns < kByteRun ? kByteRun / layout_of(Type).scale_columns : 1;

/// Sums of codes of P panels less their zero, times the bytes of one column, over one run.
template <WeightType Type, std::size_t P>
[[gnu::always_inline]] inline void run_of_codes(const Codes (&codes)[P], const ByteColumns& x, std::size_t column,
                                                std::size_t run, __m512 (&out)[P][1]) {
  constexpr WeightLayout kLayout = layout_of(Type);
  constexpr unsigned kBits = stays_in_place(kLayout) ? kLayout.code_bits : 8;  // between codes of a byte
  constexpr std::size_t kSums = kBits == 2 ? 4 : 2;  // one a field; two, lest they wait for each other
  const std::int8_t* const bytes = x.bytes + column * x.stride + run * kByteRun;
  __m512i begin = {};
  if constexpr (kLayout.zero_code > 0) {
    // Where the field of the last sum lies the zero of a code counts 128, or 64 of ternary codes.
    constexpr int kCounts = kLayout.zero_code << (8 - kBits);
    constexpr int kShift = std::countr_zero(128U / static_cast<unsigned>(kCounts));
    begin = _mm512_set1_epi32(x.zeros[x.place(column, run)] >> kShift);
  }
  __m512i sums[P][kSums];
  for (std::size_t p = 0; p < P; ++p) {
    for (std::size_t i = 0; i < kSums; ++i) sums[p][i] = i + 1 == kSums ? begin : _mm512_setzero_si512();
  }
  for (std::size_t v = 0; v < 8; v += kSums) {
    for (std::size_t i = 0; i < kSums; ++i) {
      const __m512i four = four_bytes(bytes + 4 * (v + i));
      for (std::size_t p = 0; p < P; ++p) sums[p][i] = _mm512_dpbusd_epi32(sums[p][i], codes[p][v + i], four);
    }
  }
  for (std::size_t p = 0; p < P; ++p) {
    if constexpr (kBits == 4) sums[p][1] = _mm512_srai_epi32(sums[p][1], 4);
    if constexpr (kBits == 2) {
      const __m512i last = _mm512_add_epi32(_mm512_srai_epi32(sums[p][2], 4), _mm512_srai_epi32(sums[p][3], 6));
      sums[p][1] = _mm512_add_epi32(_mm512_srai_epi32(sums[p][1], 2), last);
    }
    out[p][0] = _mm512_cvtepi32_ps(_mm512_add_epi32(sums[p][0], sums[p][1]));
  }
}

/// Likewise, over each half of it.
template <WeightType Type, std::size_t P>
[[gnu::always_inline]] inline void run_of_codes(const Codes (&codes)[P], const ByteColumns& x, std::size_t column,
                                                std::size_t run, __m512 (&out)[P][2]) {
  const std::int8_t* const bytes = x.bytes + column * x.stride + run * kByteRun;
  const std::int32_t* const zeros = x.half_zeros + 2 * x.place(column, run);
  constexpr int kShift = std::countr_zero(128U / static_cast<unsigned>(layout_of(Type).zero_code));
  __m512i sums[P][2];
  for (std::size_t i = 0; i < 2; ++i) {
    const __m512i zero = _mm512_srai_epi32(_mm512_set1_epi32(zeros[i]), kShift);
    for (std::size_t p = 0; p < P; ++p) sums[p][i] = zero;
  }
  for (std::size_t v = 0; v < 4; ++v) {
    for (std::size_t i = 0; i < 2; ++i) {
      const __m512i four = four_bytes(bytes + 4 * (4 * i + v));
      for (std::size_t p = 0; p < P; ++p) sums[p][i] = _mm512_dpbusd_epi32(sums[p][i], codes[p][4 * i + v], four);
    }
  }
  for (std::size_t p = 0; p < P; ++p) {
    for (std::size_t i = 0; i < 2; ++i) out[p][i] = _mm512_cvtepi32_ps(sums[p][i]);
  }
}

/// A scale or two for each run, and a minimum where the type has one.
template <WeightType Type, std::size_t N, std::size_t P>
inline Sums<N, P> sums_coded(const Panels& panels, const Activations& x, std::size_t column) {
  constexpr WeightLayout kLayout = layout_of(Type);
  constexpr std::size_t kRuns = kLayout.step_columns / kByteRun;
  constexpr std::size_t kStep = kLayout.step_bytes();
  const ByteColumns columns = byte_columns(x, column);
  Sums<N, P> sums = {};
  const std::size_t steps = (x.columns + kLayout.step_columns - 1) / kLayout.step_columns;
  for (std::size_t s = 0; s < steps; ++s) {
    for (std::size_t p = 0; p < P; ++p) {
      for (std::size_t at = kLayout.runs_at(); at < kStep; at += 64) prefetch(panels.at(p, s * kStep + at));
    }
    for (std::size_t b = 0; b < kRuns; ++b) {
      Codes codes[P];
      __m512 scales[P][kPieces<Type>];
      __m512 minima[P];
      for (std::size_t p = 0; p < P; ++p) {
        const std::byte* const step = panels.at(p, s * kStep);
        read_codes<Type>(step, b, codes[p]);
        for (std::size_t i = 0; i < kPieces<Type>; ++i) {
          scales[p][i] = scales_of<Type>(step, b * kByteRun + i * kLayout.scale_columns);
        }
        if constexpr (kLayout.minima) minima[p] = minima_of<Type>(step, b * kByteRun);
      }
      const std::size_t run = kRuns * s + b;
      const auto add = [&](auto c) {
        __m512 products[P][kPieces<Type>];
        run_of_codes<Type>(codes, columns, c, run, products);
        const __m512 number = _mm512_set1_ps(columns.scales[columns.place(c, run)]);
        for (std::size_t p = 0; p < P; ++p) {
          for (std::size_t i = 0; i < kPieces<Type>; ++i) {
            sums.of[p][c] = _mm512_fmadd_ps(products[p][i], _mm512_mul_ps(scales[p][i], number), sums.of[p][c]);
          }
        }
        if constexpr (kLayout.minima) {
          const __m512 sum = _mm512_set1_ps(columns.sums[columns.place(c, run)]);
          for (std::size_t p = 0; p < P; ++p) sums.of[p][c] = _mm512_fmadd_ps(minima[p], sum, sums.of[p][c]);
        }
      };
      each(add, std::make_index_sequence<N>());
    }
  }
  return sums;
}

/// A scale for each 8 runs.
template <std::size_t N, std::size_t P>
inline Sums<N, P> sums_ternary(const Panels& panels, const Activations& x, std::size_t column) {
  constexpr std::size_t kRuns = 8;
  constexpr std::size_t kScales = 1024;
  constexpr std::size_t kStep = kScales + 64;
  const ByteColumns columns = byte_columns(x, column);
  Sums<N, P> sums = {};
  for (std::size_t block = 0; block < x.columns / (kRuns * kByteRun); ++block) {
    for (std::size_t p = 0; p < P; ++p) {
      const std::byte* const step = panels.at(p, block * kStep);
      __m512 inner[N] = {};
      for (std::size_t r = 0; r < kRuns; ++r) {
        Codes codes[1];
        read_codes<WeightType::ternary>(step, r, codes[0]);
        const std::size_t run = block * kRuns + r;
        const auto add = [&](auto c) {
          __m512 products[1][1];
          run_of_codes<WeightType::ternary>(codes, columns, c, run, products);
          inner[c] = _mm512_fmadd_ps(products[0][0], _mm512_set1_ps(columns.scales[columns.place(c, run)]), inner[c]);
        };
        each(add, std::make_index_sequence<N>());
      }
      const __m512 scales = halves_of(step + kScales);
      for (std::size_t c = 0; c < N; ++c) sums.of[p][c] = _mm512_fmadd_ps(inner[c], scales, sums.of[p][c]);
    }
  }
  return sums;
}

/// A matrix, the activations and where their products go.
struct Work {
  const PackedMatrix& weights;
  const Activations& x;
  const ProductOut& out;
  std::size_t panel_bytes;
};

/// `P` panels from `panel` on by columns from `column` on, `N` at a time; the first column that is left.
template <WeightType Type, std::size_t N, std::size_t P>
inline std::size_t columns_of_panels(const Work& work, std::size_t panel, std::size_t column) {
  const Panels panels{work.weights.data + panel * work.panel_bytes, work.panel_bytes};
  const std::size_t row = panel * kPanelRows;
  const auto put = [&](const Sums<N, P>& sums, const ProductOut& out) {
    for (std::size_t p = 0; p < P; ++p) {
      const PanelOutput output(out, row + p * kPanelRows, work.weights.rows - row - p * kPanelRows);
      for (std::size_t c = 0; c < N; ++c) output.put(column + c, sums.of[p][c]);
    }
  };
  for (; column + N <= work.x.count; column += N) {
    if constexpr (is_coded(Type)) {
      put(Type == WeightType::ternary ? sums_ternary<N, P>(panels, work.x, column)
                                      : sums_coded<Type, N, P>(panels, work.x, column),
          work.out);
    } else {
      for (std::size_t first = 0; first < work.x.columns; first += kSumColumns) {
        const std::size_t last = first + kSumColumns < work.x.columns ? first + kSumColumns : work.x.columns;
        put(Type == WeightType::f32 ? sums_f32<N, P>(panels, work.x, column, first, last)
                                    : sums_bf16<N, P>(panels, work.x, column, first, last),
            first == 0 ? work.out : ProductOut{work.out.y, work.out.stride, nullptr, true});
      }
    }
  }
  return column;
}

template <WeightType Type, std::size_t P>
void multiply_panels(const Work& work, std::size_t panel) {
  std::size_t column = 0;
  const auto take = [&]<std::size_t N> {
    if (column + N <= work.x.count) column = columns_of_panels<Type, N, P>(work, panel, column);
  };
  if constexpr ((!is_coded(Type) && P <= 2) || P == 1) {
    take.template operator()<kMostColumns>();
    take.template operator()<8>();
  }
  if constexpr (P <= 2) take.template operator()<4>();
  if constexpr (P <= 4) take.template operator()<2>();
  take.template operator()<1>();
}

template <WeightType Type>
void multiply_type(const Work& work, std::size_t first, std::size_t last) {
  constexpr std::size_t kPanels = kSideBySide<Type>;
  std::size_t panel = first;
  if constexpr (!is_coded(Type)) {  // one or two sums a panel would wait for each other
    for (; work.x.count == 1 && panel + 8 <= last; panel += 8) multiply_panels<Type, 8>(work, panel);
    for (; work.x.count <= 2 && panel + 4 <= last; panel += 4) multiply_panels<Type, 4>(work, panel);
  }
  for (; panel + kPanels <= last; panel += kPanels) multiply_panels<Type, kPanels>(work, panel);
  for (; panel < last; ++panel) multiply_panels<Type, 1>(work, panel);
}

}  // namespace

void multiply(const PackedMatrix& weights, const Activations& x, std::size_t first_panel, std::size_t last_panel,
              const ProductOut& out) {
  if (weights.parts != nullptr) {
    return multiply_parts(weights, first_panel, last_panel, out,
                          [&](const PackedMatrix& part, std::size_t first, std::size_t last, const ProductOut& its) {
                            multiply(part, x, first, last, its);
                          });
  }
  const Work work{weights, x, out, panel_bytes(weights.type, weights.columns)};
  if (weights.type == WeightType::f32 && x.count >= 2 * kMostColumns) {
    return multiply_blocked(weights, x, first_panel, last_panel, out);
  }
  with_type(weights.type, [&]<WeightType Type> { multiply_type<Type>(work, first_panel, last_panel); });
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
      const int first_sum = _mm512_reduce_add_epi32(first_half);
      const int second_sum = _mm512_reduce_add_epi32(second_half);
      const int sum = first_sum + second_sum;
      out.half_zeros[2 * place] = -128 * first_sum;
      out.half_zeros[2 * place + 1] = -128 * second_sum;
      out.scales[place] = largest / 127.0F;
      out.zeros[place] = -128 * sum;
      out.sums[place] = largest / 127.0F * static_cast<float>(sum);
    }
  }
}

}  // namespace gyre::avx512
#endif
