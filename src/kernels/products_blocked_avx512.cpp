#include "kernels/tables.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

namespace gyre::avx512 {
namespace {

// Sizes by which what is read again stays near: a slice of two panels in the first-level cache, a slice of the
// activations in the second.
constexpr std::size_t kTogether = 12;  // rows of activations: with two panels 24 sums, which the registers hold
constexpr std::size_t kDepth = 256;    // columns of a slice
constexpr std::size_t kBlock = 43 * kTogether;

/// Columns `first` … `first + depth` of some rows of activations, kTogether rows side by side: [groups, depth,
/// kTogether], zeros where there are no more rows.
void gather(const Activations& x, std::size_t row, std::size_t rows, std::size_t first, std::size_t depth,
            float* slice) {
  for (std::size_t group = 0; group < rows; group += kTogether) {
    float* const to = slice + group * depth;
    for (std::size_t r = 0; r < kTogether; ++r) {
      const float* const from = x.floats + (row + group + r) * x.columns + first;
      const bool there = group + r < rows;
      for (std::size_t i = 0; i < depth; ++i) to[i * kTogether + r] = there ? from[i] : 0.0F;
    }
  }
}

/// Where the sums of a slice go.
struct Target {
  float* y;
  std::size_t stride;
  const float* bias;  ///< null: none
  bool add;
  std::size_t rows;   ///< of the matrix that are left
  std::size_t count;  ///< rows of activations that are left
};

/// P panels by kTogether rows of activations over one slice.
template <std::size_t P>
void multiply_slice(const std::byte* panels, std::size_t panel_bytes, const float* slice, std::size_t depth,
                    const Target& target) {
  __m512 sums[P][kTogether] = {};
  for (std::size_t i = 0; i < depth; ++i) {
    __m512 weights[P];
    for (std::size_t p = 0; p < P; ++p) weights[p] = _mm512_load_ps(panels + p * panel_bytes + i * kPanelVector);
    for (std::size_t c = 0; c < kTogether; ++c) {
      const __m512 number = _mm512_set1_ps(slice[i * kTogether + c]);
      for (std::size_t p = 0; p < P; ++p) sums[p][c] = _mm512_fmadd_ps(weights[p], number, sums[p][c]);
    }
  }
  for (std::size_t p = 0; p < P; ++p) {
    const std::size_t row = p * kPanelRows;
    const std::size_t left = target.rows - row;
    const auto mask = static_cast<__mmask16>(left >= kPanelRows ? 0xffffU : (1U << left) - 1U);
    const __m512 bias = target.bias == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(mask, target.bias + row);
    for (std::size_t c = 0; c < kTogether; ++c) {
      if (c >= target.count) break;
      float* const y = target.y + c * target.stride + row;
      __m512 sum = _mm512_add_ps(sums[p][c], bias);
      if (target.add) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, y));
      _mm512_mask_storeu_ps(y, mask, sum);
    }
  }
}

}  // namespace

void multiply_blocked(const PackedMatrix& weights, const Activations& x, std::size_t first_panel,
                      std::size_t last_panel, const ProductOut& out) {
  alignas(64) static thread_local float slice[kBlock * kDepth];
  const std::size_t size = panel_bytes(WeightType::f32, weights.columns);
  for (std::size_t block = 0; block < x.count; block += kBlock) {
    const std::size_t rows = x.count - block < kBlock ? x.count - block : kBlock;
    for (std::size_t first = 0; first < x.columns; first += kDepth) {
      const std::size_t depth = x.columns - first < kDepth ? x.columns - first : kDepth;
      gather(x, block, rows, first, depth, slice);
      for (std::size_t p = first_panel; p < last_panel; p += 2) {
        const std::byte* const panels = weights.data + p * size + first * kPanelVector;
        const std::size_t row = p * kPanelRows;
        for (std::size_t group = 0; group < rows; group += kTogether) {
          const Target target{out.y + (block + group) * out.stride + row,
                              out.stride,
                              first == 0 && out.bias != nullptr ? out.bias + row : nullptr,
                              out.add || first > 0,
                              weights.rows - row,
                              rows - group};
          const auto multiply = p + 1 < last_panel ? multiply_slice<2> : multiply_slice<1>;
          multiply(panels, size, slice + group * depth, depth, target);
        }
      }
    }
  }
}

}  // namespace gyre::avx512
#endif
