#include "kernels/tables.hpp"
#include "kernels/thread_room.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

namespace gyre::avx2 {

constexpr bool kDotsBytes = false;
#include "kernels/products_256.inl"

namespace {

/// The largest of 32 numbers without their signs.
inline float largest_size(const __m256 (&numbers)[4]) {
  const __m256 sign = _mm256_set1_ps(-0.0F);
  const auto size = [&](std::size_t i) { return _mm256_andnot_ps(sign, numbers[i]); };
  const __m256 eight = _mm256_max_ps(_mm256_max_ps(size(0), size(1)), _mm256_max_ps(size(2), size(3)));
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}

inline std::int32_t total(__m256i numbers) {
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(numbers), _mm256_extracti128_si256(numbers, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}

/// 32 numbers that fit into bytes, in their order.
inline void store_bytes(const __m256i (&numbers)[4], std::int8_t* to) {
  const __m256i low = _mm256_packs_epi32(numbers[0], numbers[1]);
  const __m256i high = _mm256_packs_epi32(numbers[2], numbers[3]);
  // Packing goes by halves of a register: its groups of four are 0 2 4 6 1 3 5 7.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), bytes);
}

}  // namespace

void round_to_bytes(const float* x, std::size_t count, std::size_t columns, const ByteRows& out) {
  const std::size_t padded = padded_columns(columns);
  for (std::size_t t = 0; t < count; ++t) {
    for (std::size_t run = 0; run < padded / kByteRun; ++run) {
      const std::size_t first = run * kByteRun;
      const std::size_t there = first >= columns ? 0 : (columns - first < kByteRun ? columns - first : kByteRun);
      alignas(32) float values[kByteRun] = {};
      __builtin_memcpy(values, x + t * columns + (there == 0 ? 0 : first), there * sizeof(float));
      __m256 numbers[4];
      for (std::size_t i = 0; i < 4; ++i) numbers[i] = _mm256_load_ps(values + 8 * i);
      float largest = largest_size(numbers);
      if (largest < kSmallestRun) largest = 0;
      const __m256 inverse = _mm256_set1_ps(largest > 0 ? 127.0F / largest : 0.0F);
      __m256i whole[4];
      for (std::size_t i = 0; i < 4; ++i) whole[i] = _mm256_cvtps_epi32(_mm256_mul_ps(numbers[i], inverse));
      store_bytes(whole, out.bytes + t * padded + first);
      const std::int32_t first_half = total(_mm256_add_epi32(whole[0], whole[1]));
      const std::int32_t second_half = total(_mm256_add_epi32(whole[2], whole[3]));
      const std::int32_t sum = first_half + second_half;
      const std::size_t place = t * padded / kByteRun + run;
      out.scales[place] = largest / 127.0F;
      out.zeros[place] = -128 * sum;
      out.half_zeros[2 * place] = -128 * first_half;
      out.half_zeros[2 * place + 1] = -128 * second_half;
      out.sums[place] = largest / 127.0F * static_cast<float>(sum);
    }
  }
}

}  // namespace gyre::avx2
#endif
