#include "kernels/tables.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

namespace gyre::avx2 {
namespace {

template <typename Vector>
inline void keep(Vector& value) {
  asm volatile("" : "+x"(value));
}

}  // namespace

void run_floats(std::size_t rounds) {
  __m256 sums[kPeakSums] = {};
  __m256 factor = _mm256_set1_ps(0.5F);
  keep(factor);
  for (std::size_t r = 0; r < rounds; ++r) {
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(factor, factor, sum);
    for (__m256& sum : sums) keep(sum);
  }
}

/// As products take them: pairs to 16 bits, pairs of those to 32, and the sum.
void run_bytes(std::size_t rounds) {
  __m256i sums[kPeakSums] = {};
  __m256i factor = _mm256_set1_epi8(1);
  const __m256i ones = _mm256_set1_epi16(1);
  keep(factor);
  for (std::size_t r = 0; r < rounds; ++r) {
    for (__m256i& sum : sums) {
      __m256i pairs = _mm256_maddubs_epi16(factor, factor);
      keep(pairs);
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
    }
    for (__m256i& sum : sums) keep(sum);
  }
}

}  // namespace gyre::avx2
#endif
