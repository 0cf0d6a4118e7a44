// Included by the products of each instruction set with AVX-512, inside its namespace, so that no copy for another set
// is linked in its place.

inline __m512i load(const std::byte* p) { return _mm512_load_si512(p); }

/// Far enough ahead for the third-level cache, near enough to stay in the first. The processor's own prefetching begins
/// anew on every page.
inline void prefetch(const std::byte* p) {
  constexpr std::size_t kAhead = 2048;
  _mm_prefetch(reinterpret_cast<const char*>(p + kAhead), _MM_HINT_T0);
}

/// step(0) … step(N - 1), each with its number known when it is compiled, so that sums stay in registers.
template <typename Step, std::size_t... I>
[[gnu::always_inline]] inline void each(Step step, std::index_sequence<I...> /*numbers*/) {
  (step(std::integral_constant<std::size_t, I>()), ...);
}

/// The codes of one run of 32 columns, 4 of a row in each vector.
using Codes = __m512i[8];

/// Each in a byte of its own, less nothing, looked up where the type does so.
template <WeightType Type>
[[gnu::always_inline]] inline void read_whole_codes(const std::byte* step, std::size_t run, Codes& codes) {
  constexpr WeightLayout kLayout = layout_of(Type);
  constexpr unsigned kBits = kLayout.code_bits;
  constexpr std::size_t kFields = 8 / kBits;
  const auto lower = [&](auto v) {
    constexpr std::size_t kVector = v / kFields;
    constexpr unsigned kShift = v % kFields * kBits;
    const __m512i together = load(step + (run * kBits + kVector) * 64);
    if constexpr (kShift == 0) prefetch(step + (run * kBits + kVector) * 64);
    const __m512i moved = kShift == 0 ? together : _mm512_srli_epi16(together, kShift);
    codes[v] = kBits == 8 ? moved : _mm512_and_si512(moved, _mm512_set1_epi8(static_cast<char>((1U << kBits) - 1U)));
    if constexpr (kLayout.is_looked_up()) {
      const __m128i table = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Codes));
      codes[v] = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), codes[v]);
    }
  };
  each(lower, std::make_index_sequence<8>());
  if constexpr (kLayout.high_bits > 0) {
    constexpr unsigned kHigh = kLayout.high_bits;
    const std::byte* const vectors = step + kLayout.high_at() + run * kHigh * 64;
    const auto upper = [&](auto v) {
      constexpr std::size_t kVector = v / (8 / kHigh);
      constexpr unsigned kAt = v % (8 / kHigh) * kHigh;  // is to lie at the bit after the lower ones
      const __m512i together = load(vectors + kVector * 64);
      if constexpr (kAt == 0) prefetch(vectors + kVector * 64);
      __m512i moved = together;
      if constexpr (kAt < kBits) moved = _mm512_slli_epi16(together, kBits - kAt);
      if constexpr (kAt > kBits) moved = _mm512_srli_epi16(together, kAt - kBits);
      const __m512i mask = _mm512_set1_epi8(static_cast<char>(((1U << kHigh) - 1U) << kBits));
      codes[v] = _mm512_or_si512(codes[v], _mm512_and_si512(moved, mask));
    };
    each(upper, std::make_index_sequence<8>());
  }
}

/// 16 halves, and 16 bytes as numbers.
inline __m512 halves_of(const std::byte* halves) {
  return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(halves)));
}
template <bool Signed>
inline __m512 bytes_of(const std::byte* bytes) {
  const __m128i whole = _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
  return _mm512_cvtepi32_ps(Signed ? _mm512_cvtepi8_epi32(whole) : _mm512_cvtepu8_epi32(whole));
}

/// Of the 16 rows the halves of the block that a column of a step is in, times the bytes of its run where the type has
/// some.
template <WeightType Type, bool Signed>
inline __m512 of_column(const std::byte* halves, const std::byte* runs, std::size_t column) {
  constexpr WeightLayout kLayout = layout_of(Type);
  const __m512 of_block = halves_of(halves + column / kLayout.block_columns * kPanelRows * 2);
  if constexpr (!kLayout.has_run_scales()) return of_block;
  return _mm512_mul_ps(of_block, bytes_of<Signed>(runs + column / kLayout.scale_columns * kPanelRows));
}

/// The scales of the 16 rows for a column of a step, and the minima that are added where the type has some. Types with
/// minima have scales of 6 bits, those without signed bytes.
template <WeightType Type>
inline __m512 scales_of(const std::byte* step, std::size_t column) {
  constexpr WeightLayout kLayout = layout_of(Type);
  return of_column<Type, !kLayout.minima>(step + kLayout.scales_at(), step + kLayout.runs_at(), column);
}
template <WeightType Type>
inline __m512 minima_of(const std::byte* step, std::size_t column) {
  constexpr WeightLayout kLayout = layout_of(Type);
  return of_column<Type, false>(step + kLayout.minima_at(), step + kLayout.run_minima_at(), column);
}
