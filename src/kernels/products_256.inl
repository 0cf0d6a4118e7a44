// Included by the products of each instruction set with registers of 256 bits, inside its namespace, so that no copy
// for another set is linked in its place. kDotsBytes says whether it adds four products of bytes at once (VNNI).

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

/// Codes around 128 are taken as signed numbers, where that costs less than taking off their zero.
constexpr bool is_signed(const WeightLayout& layout) { return !kDotsBytes && layout.zero_code == 128; }

/// step(0) … step(N - 1), each with its number known when it is compiled, so that sums stay in registers.
template <typename Step, std::size_t... I>
inline void each(const Step& step, std::index_sequence<I...> /*numbers*/) {
  (step(std::integral_constant<std::size_t, I>()), ...);
}

/// GCC puts sums off until they are used, and stores the products that they are of: this keeps it from doing so.
inline __m256i made_now(__m256i sum) {
  asm("" : "+x"(sum));
  return sum;
}

/// Four codes of each of 8 rows; where they are signed, also their sizes.
struct Codes {
  __m256i codes;
  __m256i sizes;
};

/// Codes times bytes, each two neighbours together.
template <WeightType Type>
inline __m256i multiply_bytes(const Codes& codes, __m256i bytes) {
  // The first factor of this instruction is taken without a sign.
  if constexpr (is_signed(layout_of(Type))) {
    return _mm256_maddubs_epi16(codes.sizes, _mm256_sign_epi8(bytes, codes.codes));
  }
  return _mm256_maddubs_epi16(codes.codes, bytes);
}

/// One vector of codes of a byte each.
template <WeightType Type>
inline __m256i whole_codes(__m256i packed, std::size_t field) {
  constexpr auto kBits = static_cast<int>(layout_of(Type).code_bits);
  const __m256i sign = _mm256_set1_epi8(static_cast<char>(0x80));
  if constexpr (kBits == 8) return is_signed(layout_of(Type)) ? _mm256_xor_si256(packed, sign) : packed;
  const __m256i low = _mm256_set1_epi8(static_cast<char>((1 << kBits) - 1));
  const __m256i codes = _mm256_and_si256(_mm256_srli_epi16(packed, static_cast<int>(field) * kBits), low);
  if constexpr (!layout_of(Type).is_looked_up()) return codes;
  const __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Codes)));
  return _mm256_shuffle_epi8(is_signed(layout_of(Type)) ? _mm256_xor_si256(table, sign) : table, codes);
}

/// The codes of vector V of a run, 4 of each of 8 rows.
template <WeightType Type, std::size_t V>
inline __m256i codes_at(const std::byte* step, std::size_t run, std::size_t half) {
  constexpr WeightLayout kLayout = layout_of(Type);
  constexpr std::size_t kFields = 8 / kLayout.code_bits;
  const std::byte* const lower = step + (run * 8 / kFields + V / kFields) * 64 + half * 32;
  const __m256i codes = whole_codes<Type>(load(lower), V % kFields);
  if constexpr (kLayout.high_bits > 0) {
    constexpr std::size_t kHigh = kLayout.high_bits;
    constexpr int kBits = static_cast<int>(kLayout.code_bits);
    constexpr int kUp = kBits - static_cast<int>(V % (8 / kHigh) * kHigh);  // to the bit after the lower ones
    const __m256i packed = load(step + kLayout.high_at() + (run * kHigh + V / (8 / kHigh)) * 64 + half * 32);
    const __m256i moved = kUp > 0 ? _mm256_slli_epi16(packed, kUp) : _mm256_srli_epi16(packed, -kUp);
    const __m256i mask = _mm256_set1_epi8(static_cast<char>(((1 << kHigh) - 1) << kBits));
    return _mm256_or_si256(codes, _mm256_and_si256(moved, mask));
  }
  return codes;
}

/// Products of two bytes are added by 16 bits: so many vectors of them as cannot leave those.
template <WeightType Type>
constexpr std::size_t most_together() {
  constexpr WeightLayout kLayout = layout_of(Type);
  constexpr std::size_t kLargest = is_signed(kLayout) ? 128 : (1U << (kLayout.code_bits + kLayout.high_bits)) - 1U;
  constexpr std::size_t kMost = 32767 / (std::size_t{2} * 127 * kLargest);
  return kMost < 8 ? kMost : 8;
}

/// For each row and for N columns the sum of codes times bytes, onto `sums`: codes are read once for all columns, and a
/// column's bytes, `stride` from those of the next, once for all rows. Vectors `First` … `First` + `Count` of a run.
template <WeightType Type, std::size_t First, std::size_t Count, typename Run, std::size_t N>
inline void dot_by_twos(const Run& run, const std::int8_t* bytes, std::size_t stride, __m256i (&sums)[N][2]) {
  constexpr std::size_t kTogether = most_together<Type>() < Count ? most_together<Type>() : Count;
  const auto add_some = [&](auto number) {
    __m256i pairs[N][2];
    const auto add_vector = [&](auto i) {
      constexpr std::size_t kVector = First + number * kTogether + i;
      const Codes codes[2] = {run.template codes<kVector>(0), run.template codes<kVector>(1)};
      const auto add_column = [&](auto c) {
        const __m256i four = four_bytes(bytes + c * stride + 4 * kVector);
        const auto add = [&](auto half) {
          const __m256i products = multiply_bytes<Type>(codes[half], four);
          pairs[c][half] = made_now(i == 0 ? products : _mm256_add_epi16(pairs[c][half], products));
        };
        each(add, std::make_index_sequence<2>());
      };
      each(add_column, std::make_index_sequence<N>());
    };
    each(add_vector, std::make_index_sequence<kTogether>());
    const auto widen = [&](auto i) {
      __m256i& sum = sums[i / 2][i % 2];
      sum = made_now(_mm256_add_epi32(sum, _mm256_madd_epi16(pairs[i / 2][i % 2], _mm256_set1_epi16(1))));
    };
    each(widen, std::make_index_sequence<2 * N>());
  };
  each(add_some, std::make_index_sequence<Count / kTogether>());
}

/// The same where four products are added at once, by 32 bits.
template <WeightType Type, std::size_t First, std::size_t Count, typename Run, std::size_t N>
inline void dot_by_fours(const Run& run, const std::int8_t* bytes, std::size_t stride, __m256i (&sums)[N][2]) {
  const auto add_vector = [&](auto i) {
    constexpr std::size_t kVector = First + i;
    const Codes codes[2] = {run.template codes<kVector>(0), run.template codes<kVector>(1)};
    const auto add_column = [&](auto c) {
      const __m256i four = four_bytes(bytes + c * stride + 4 * kVector);
      sums[c][0] = made_now(_mm256_dpbusd_avx_epi32(sums[c][0], codes[0].codes, four));
      sums[c][1] = made_now(_mm256_dpbusd_avx_epi32(sums[c][1], codes[1].codes, four));
    };
    each(add_column, std::make_index_sequence<N>());
  };
  each(add_vector, std::make_index_sequence<Count>());
}

/// 8 halves, and 8 bytes as numbers.
inline __m256 halves_of(const std::byte* halves) {
  return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(halves)));
}
template <bool Signed>
inline __m256 bytes_of(const std::byte* bytes) {
  const __m128i whole = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
  return _mm256_cvtepi32_ps(Signed ? _mm256_cvtepi8_epi32(whole) : _mm256_cvtepu8_epi32(whole));
}

/// Of 8 rows the halves of the block that a column of a step is in, times the bytes of its run where the type has some.
template <WeightType Type, bool Signed>
inline __m256 of_column(const std::byte* halves, const std::byte* runs, std::size_t column, std::size_t half) {
  constexpr WeightLayout kLayout = layout_of(Type);
  const __m256 of_block = halves_of(halves + column / kLayout.block_columns * 32 + half * 16);
  if constexpr (!kLayout.has_run_scales()) return of_block;
  return _mm256_mul_ps(of_block, bytes_of<Signed>(runs + column / kLayout.scale_columns * 16 + half * 8));
}

/// The scales of 8 rows for a column of a step, and the minima that are added where the type has some. Types with
/// minima have scales of 6 bits, those without signed bytes.
template <WeightType Type>
inline __m256 scales_of(const std::byte* step, std::size_t column, std::size_t half) {
  constexpr WeightLayout kLayout = layout_of(Type);
  return of_column<Type, !kLayout.minima>(step + kLayout.scales_at(), step + kLayout.runs_at(), column, half);
}
template <WeightType Type>
inline __m256 minima_of(const std::byte* step, std::size_t column, std::size_t half) {
  constexpr WeightLayout kLayout = layout_of(Type);
  return of_column<Type, false>(step + kLayout.minima_at(), step + kLayout.run_minima_at(), column, half);
}

/// −zero times the sum of the bytes of a run, or of half of one; `zeros` is −128 times it.
template <WeightType Type>
inline __m256i taken_off(std::int32_t zeros) {
  constexpr WeightLayout kLayout = layout_of(Type);
  if constexpr (kLayout.zero_code == 0 || is_signed(kLayout)) return _mm256_setzero_si256();
  return _mm256_set1_epi32(zeros >> std::countr_zero(128U / static_cast<unsigned>(std::max(1, kLayout.zero_code))));
}

/// Pieces of a run that have scales of their own.
template <WeightType Type>
constexpr std::size_t run_pieces() {
  constexpr std::size_t kScaleColumns = layout_of(Type).scale_columns;
  return kScaleColumns < kByteRun ? kByteRun / kScaleColumns : 1;
}

/// A run of 32 columns of a panel as it is stored.
template <WeightType Type>
struct StoredRun {
  const std::byte* step;
  std::size_t run;  ///< of the step

  template <std::size_t V>
  [[nodiscard]] Codes codes(std::size_t half) const {
    const __m256i read = codes_at<Type, V>(step, run, half);
    return {read, is_signed(layout_of(Type)) ? _mm256_abs_epi8(read) : read};
  }
  [[nodiscard]] __m256 scales(std::size_t piece, std::size_t half) const {
    return scales_of<Type>(step, run * kByteRun + piece * layout_of(Type).scale_columns, half);
  }
  [[nodiscard]] __m256 minima(std::size_t half) const { return minima_of<Type>(step, run * kByteRun, half); }
};

template <WeightType Type>
inline StoredRun<Type> stored_run(const std::byte* panel, std::size_t run) {
  constexpr std::size_t kRuns = layout_of(Type).step_columns / kByteRun;
  return {panel + run / kRuns * layout_of(Type).step_bytes(), run % kRuns};
}

/// Adds run number `number` for N columns from `column` on, a vector of codes after the other. A column gets what it
/// gets alone.
template <WeightType Type, typename Run, std::size_t N>
inline void add_run(const Run& run, std::size_t number, const Activations& x, std::size_t column, Sums<N>& sums) {
  constexpr std::size_t kPieces = run_pieces<Type>();
  const auto all = std::make_index_sequence<2 * N>();  // sums: two halves of each column
  const std::size_t padded = padded_columns(x.columns);
  const std::size_t runs = padded / kByteRun;
  const std::int8_t* const bytes = x.rounded.bytes + column * padded + number * kByteRun;
  const auto place = [&](std::size_t c) { return (column + c) * runs + number; };
  const auto add_piece = [&](auto piece) {
    constexpr std::size_t kVectors = 8 / kPieces;
    __m256i whole[N][2];
    const auto begin = [&](auto i) {
      const std::size_t its = place(i / 2);
      whole[i / 2][i % 2] =
          taken_off<Type>(kPieces == 1 ? x.rounded.zeros[its] : x.rounded.half_zeros[2 * its + piece]);
    };
    each(begin, all);
    if constexpr (kDotsBytes) {
      dot_by_fours<Type, piece * kVectors, kVectors>(run, bytes, padded, whole);
    } else {
      dot_by_twos<Type, piece * kVectors, kVectors>(run, bytes, padded, whole);
    }
    const auto end = [&](auto i) {
      const __m256 scale = _mm256_mul_ps(run.scales(piece, i % 2), _mm256_set1_ps(x.rounded.scales[place(i / 2)]));
      __m256& sum = sums.of[i / 2][i % 2];
      sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole[i / 2][i % 2]), scale, sum);
    };
    each(end, all);
  };
  each(add_piece, std::make_index_sequence<kPieces>());
  if constexpr (layout_of(Type).minima) {
    const auto add_minima = [&](auto i) {
      const __m256 bytes_sum = _mm256_set1_ps(x.rounded.sums[place(i / 2)]);
      sums.of[i / 2][i % 2] = _mm256_fmadd_ps(run.minima(i % 2), bytes_sum, sums.of[i / 2][i % 2]);
    };
    each(add_minima, all);
  }
}

template <WeightType Type, std::size_t N>
inline Sums<N> panel_coded(const std::byte* panel, const Activations& x, std::size_t column) {
  Sums<N> sums = {};
  const std::size_t runs = padded_columns(x.columns) / kByteRun;
  for (std::size_t run = 0; run < runs; ++run) add_run<Type>(stored_run<Type>(panel, run), run, x, column, sums);
  return sums;
}

/// A matrix, the activations and where their products go.
struct Work {
  const PackedMatrix& weights;
  const Activations& x;
  const ProductOut& out;
  std::size_t panel_size;
};

/// Sums of the 16 rows of a whole panel, or of the first rows of the last one.
template <std::size_t N>
inline void put(const Sums<N>& sums, const Work& work, std::size_t panel, std::size_t column, const ProductOut& out) {
  const std::size_t row = panel * kPanelRows;
  const std::size_t rows = work.weights.rows - row;
  const float* const bias = out.bias == nullptr ? nullptr : out.bias + row;
  for (std::size_t c = 0; c < N; ++c) {
    float* const y = out.y + (column + c) * out.stride + row;
    if (rows >= kPanelRows) {
      for (std::size_t half = 0; half < 2; ++half) {
        __m256 sum = sums.of[c][half];
        if (bias != nullptr) sum = _mm256_add_ps(sum, _mm256_loadu_ps(bias + 8 * half));
        if (out.add) sum = _mm256_add_ps(_mm256_loadu_ps(y + 8 * half), sum);
        _mm256_storeu_ps(y + 8 * half, sum);
      }
      continue;
    }
    float values[kPanelRows];
    _mm256_storeu_ps(values, sums.of[c][0]);
    _mm256_storeu_ps(values + 8, sums.of[c][1]);
    for (std::size_t r = 0; r < rows; ++r) {
      const float sum = values[r] + (bias == nullptr ? 0.0F : bias[r]);
      y[r] = out.add ? y[r] + sum : sum;
    }
  }
}

/// The columns from `column` on, N at a time; the first that is left.
template <WeightType Type, std::size_t N>
std::size_t take_columns(const Work& work, std::size_t panel, std::size_t column) {
  const std::byte* const weights = work.weights.data + panel * work.panel_size;
  const Activations& x = work.x;
  for (; column + N <= x.count; column += N) {
    if constexpr (is_coded(Type)) {
      put(panel_coded<Type, N>(weights, x, column), work, panel, column, work.out);
    } else {
      for (std::size_t first = 0; first < x.columns; first += kSumColumns) {
        const std::size_t last = first + kSumColumns < x.columns ? first + kSumColumns : x.columns;
        put(Type == WeightType::f32 ? panel_f32<N>(weights, x, column, first, last)
                                    : panel_bf16<N>(weights, x, column, first, last),
            work, panel, column, first == 0 ? work.out : ProductOut{work.out.y, work.out.stride, nullptr, true});
      }
    }
  }
  return column;
}

#include "kernels/widened_256.inl"

template <WeightType Type>
void multiply_type(const Work& work, std::size_t first, std::size_t last) {
  for (std::size_t panel = first; panel < last; ++panel) {
    std::size_t column = 0;
    if constexpr (is_coded(Type)) column = take_many_columns<Type>(work, panel);
    column = take_columns<Type, kMostColumns>(work, panel, column);
    column = take_columns<Type, 2>(work, panel, column);
    take_columns<Type, 1>(work, panel, column);
  }
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
  with_type(weights.type, [&]<WeightType Type> { multiply_type<Type>(work, first_panel, last_panel); });
}
