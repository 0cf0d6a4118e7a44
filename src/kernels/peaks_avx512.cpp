#include "kernels/tables.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

namespace gyre::avx512 {
namespace {

/// Nothing is left out because nobody reads the result, and nothing is worked out in advance.
template <typename Vector>
inline void keep(Vector& value) {
  asm volatile("" : "+v"(value));
}

}  // namespace

void run_floats(std::size_t rounds) {
  __m512 sums[kPeakSums] = {};
  __m512 factor = _mm512_set1_ps(0.5F);
  keep(factor);
  for (std::size_t r = 0; r < rounds; ++r) {
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(factor, factor, sum);
    for (__m512& sum : sums) keep(sum);
  }
}

void run_bytes(std::size_t rounds) {
  __m512i sums[kPeakSums] = {};
  __m512i factor = _mm512_set1_epi8(1);
  keep(factor);
  for (std::size_t r = 0; r < rounds; ++r) {
    for (__m512i& sum : sums) sum = _mm512_dpbusd_epi32(sum, factor, factor);
    for (__m512i& sum : sums) keep(sum);
  }
}

}  // namespace gyre::avx512
#endif
