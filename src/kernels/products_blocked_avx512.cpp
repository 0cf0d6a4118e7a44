#include "kernels/tables.hpp"
#include "kernels/thread_room.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include <new>

namespace gyre::avx512 {
namespace {

#include "kernels/panel_output.inl"

// Sizes by which what is read again stays near: a slice of two panels in the first-level cache, a slice of the
// activations in the second.
constexpr std::size_t kTogether = 12;        // rows of activations: with two panels 24 sums, which the registers hold
constexpr std::size_t kDepth = kSumColumns;  // columns of a slice
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

/// Which sums of a slice are wanted: those of the matrix's rows from `row` on, of which `rows` are left, by rows of
/// activations from `column` on, of which `columns` are left.
struct Place {
  std::size_t row;
  std::size_t rows;
  std::size_t column;
  std::size_t columns;
};

/// P panels by kTogether rows of activations over one slice.
template <std::size_t P>
void multiply_slice(const std::byte* panels, std::size_t panel_bytes, const float* slice, std::size_t depth,
                    const Place& place, const ProductOut& out) {
  const auto output = [&](std::size_t p) {
    return PanelOutput(out, place.row + p * kPanelRows, place.rows - p * kPanelRows);
  };
  const std::size_t columns = place.columns < kTogether ? place.columns : kTogether;
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
    for (std::size_t c = 0; c < columns; ++c) output(p).put(place.column + c, sums[p][c]);
  }
}

}  // namespace

void multiply_blocked(const PackedMatrix& weights, const Activations& x, std::size_t first_panel,
                      std::size_t last_panel, const ProductOut& out) {
  float* const slice = ::new (thread_room(kBlock * kDepth * sizeof(float))) float[kBlock * kDepth];
  const std::size_t size = panel_bytes(WeightType::f32, weights.columns);
  for (std::size_t block = 0; block < x.count; block += kBlock) {
    const std::size_t rows = x.count - block < kBlock ? x.count - block : kBlock;
    for (std::size_t first = 0; first < x.columns; first += kDepth) {
      const std::size_t depth = x.columns - first < kDepth ? x.columns - first : kDepth;
      gather(x, block, rows, first, depth, slice);
      // A slice's sums join those of the slices before it, in the order of their columns.
      const ProductOut sums{out.y, out.stride, first == 0 ? out.bias : nullptr, out.add || first > 0};
      for (std::size_t p = first_panel; p < last_panel; p += 2) {
        const std::byte* const panels = weights.data + p * size + first * kPanelVector;
        const std::size_t row = p * kPanelRows;
        for (std::size_t group = 0; group < rows; group += kTogether) {
          const Place place{row, weights.rows - row, block + group, rows - group};
          const auto multiply = p + 1 < last_panel ? multiply_slice<2> : multiply_slice<1>;
          multiply(panels, size, slice + group * depth, depth, place, sums);
        }
      }
    }
  }
}

}  // namespace gyre::avx512
#endif
