#include "kernels/tables.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include <utility>

namespace gyre::avx2 {
namespace {

#include "kernels/peak_rounds.inl"

}  // namespace

void run_floats(std::size_t rounds) {
  __m256 factor = _mm256_set1_ps(0.5F);
  keep(factor);
  run_rounds(rounds, _mm256_setzero_ps(), [&](__m256 sum) { return _mm256_fmadd_ps(factor, factor, sum); });
}

/// As products of four-bit codes take them: pairs to 16 bits, and sums of those.
void run_bytes(std::size_t rounds) {
  __m256i factor = _mm256_set1_epi8(1);
  keep(factor);
  run_rounds(rounds, _mm256_setzero_si256(), [&](__m256i sum) {
    __m256i pairs = _mm256_maddubs_epi16(factor, factor);
    keep(pairs);
    return _mm256_add_epi16(sum, pairs);
  });
}

}  // namespace gyre::avx2
#endif
