#include "kernels/tables.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include <utility>

namespace gyre::avx512 {
namespace {

#include "kernels/peak_rounds.inl"

}  // namespace

void run_floats(std::size_t rounds) {
  __m512 factor = _mm512_set1_ps(0.5F);
  keep(factor);
  run_rounds(rounds, _mm512_setzero_ps(), [&](__m512 sum) { return _mm512_fmadd_ps(factor, factor, sum); });
}

void run_bytes(std::size_t rounds) {
  __m512i factor = _mm512_set1_epi8(1);
  keep(factor);
  run_rounds(rounds, _mm512_setzero_si512(), [&](__m512i sum) { return _mm512_dpbusd_epi32(sum, factor, factor); });
}

}  // namespace gyre::avx512
#endif
