#include "kernels/tables.hpp"
#include "kernels/thread_room.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include <utility>

namespace gyre::amx {
namespace {

#include "kernels/amx_tiles.inl"
#include "kernels/panel_codes.inl"
#include "kernels/panel_output.inl"

/// From so many rows of activations on, whole tiles of bfloat16 are faster than multiplying vectors; later where coded
/// weights have to be widened first.
constexpr std::size_t kLeastRows = 12;
constexpr std::size_t kLeastRowsWidened = 32;
constexpr std::size_t kMostColumns = 4096;  // that are widened at a time
/// Of panels that are multiplied by the same activations before the next ones are looked at: a part of the second-level
/// cache, so that neither they nor the activations come from further away than they must.
constexpr std::size_t kGroupBytes = std::size_t{512} << 10;

/// Field `byte` of each row's 4 codes, less their zero, times the row's scale.
template <int Byte>
inline __m512 weight(__m512i codes, __m512 scales, __m512 zeros) {
  __m512i code = codes;
  if constexpr (Byte > 0) code = _mm512_srli_epi32(code, 8 * Byte);
  if constexpr (Byte < 3) code = _mm512_and_si512(code, _mm512_set1_epi32(255));
  return _mm512_fmsub_ps(_mm512_cvtepi32_ps(code), scales, zeros);
}

inline void widen_codes(__m512i codes, __m512 scales, __m512 zeros, std::byte* out) {
  _mm512_store_si512(out, pair_of(weight<0>(codes, scales, zeros), weight<1>(codes, scales, zeros)));
  _mm512_store_si512(out + 64, pair_of(weight<2>(codes, scales, zeros), weight<3>(codes, scales, zeros)));
}

/// What is taken off every scale · code from a column of a step on.
template <WeightType Type>
inline __m512 zeros_of(const std::byte* step, std::size_t column, __m512 scales) {
  if constexpr (layout_of(Type).minima) return _mm512_sub_ps(_mm512_setzero_ps(), minima_of<Type>(step, column));
  return _mm512_mul_ps(scales, _mm512_set1_ps(static_cast<float>(layout_of(Type).zero_code)));
}

/// One panel in pairs of bfloat16 numbers, as a bf16 panel is.
template <WeightType Type>
void widen_panel(const std::byte* panel, std::size_t steps, std::byte* out) {
  constexpr WeightLayout kLayout = layout_of(Type);
  constexpr std::size_t kShared = kLayout.scale_columns < kByteRun ? kLayout.scale_columns : kByteRun;
  for (std::size_t s = 0; s < steps; ++s) {
    const std::byte* const step = panel + s * kLayout.step_bytes();
    for (std::size_t column = 0; column < kLayout.step_columns; column += kShared) {
      Codes codes;
      read_whole_codes<Type>(step, column / kByteRun, codes);
      const __m512 scales = scales_of<Type>(step, column);
      const __m512 zeros = zeros_of<Type>(step, column, scales);
      for (std::size_t v = column % kByteRun / 4; v < (column % kByteRun + kShared) / 4; ++v) {
        widen_codes(codes[v], scales, zeros, out);
        out += 128;
      }
    }
  }
}

void widen(const PackedMatrix& weights, std::size_t panel, std::byte* out) {
  const std::byte* const from = weights.data + panel * panel_bytes(weights.type, weights.columns);
  const std::size_t steps = panel_bytes(weights.type, weights.columns) / layout_of(weights.type).step_bytes();
  with_type(weights.type, [&]<WeightType Type> {
    if constexpr (is_coded(Type)) widen_panel<Type>(from, steps, out);
  });
}

/// Two panels of bfloat16 by 32 rows of activations, `depth` tiles along the columns: four tiles of sums. Tiles are
/// named by constants; the order of the products changes from step to step, so that each input is free again, and
/// loaded anew, while products of the others run.
void multiply_tiles(const std::byte* first, const std::byte* second, const std::uint16_t* upper,
                    const std::uint16_t* lower, std::size_t depth, float* sums) {
  constexpr std::size_t kHalves = kTile * kTileColumns;
  memory_barrier();
  zero_sums();
  std::size_t k = 0;
  for (; k + 2 <= depth; k += 2) {
    _tile_loadd(4, upper + k * kHalves, 64);
    _tile_loadd(6, first + k * kTileBytes, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, second + k * kTileBytes, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(4, upper + (k + 1) * kHalves, 64);
    _tile_loadd(5, lower + k * kHalves, 64);
    _tile_dpbf16ps(3, 5, 7);
    _tile_loadd(7, second + (k + 1) * kTileBytes, 64);
    _tile_dpbf16ps(2, 5, 6);
    _tile_loadd(6, first + (k + 1) * kTileBytes, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(5, lower + (k + 1) * kHalves, 64);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  if (k < depth) {
    _tile_loadd(4, upper + k * kHalves, 64);
    _tile_loadd(5, lower + k * kHalves, 64);
    _tile_loadd(6, first + k * kTileBytes, 64);
    _tile_loadd(7, second + k * kTileBytes, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  store_sums(sums);
  memory_barrier();
}

/// Panels of bfloat16 one after the other.
struct Group {
  const std::byte* panels;
  std::size_t count;
  std::size_t depth;  ///< tiles of a panel
  std::size_t row;    ///< the first of the matrix
  std::size_t rows;   ///< that are left from there on
};

/// A group by 32 rows of activations.
void multiply_group(const Group& group, const Activations& x, std::size_t column, const ProductOut& out) {
  alignas(64) float sums[4 * kTile * kPanelRows];
  const std::size_t padded = padded_columns(x.columns);
  const std::uint16_t* const upper = x.bf16 + column * padded;
  const std::size_t left = x.count - column;
  for (std::size_t p = 0; p < group.count; p += 2) {
    const std::byte* const first = group.panels + p * group.depth * kTileBytes;
    const std::byte* const second = p + 1 < group.count ? first + group.depth * kTileBytes : first;
    multiply_tiles(first, second, upper, upper + kTile * padded, group.depth, sums);
    for (std::size_t tile = 0; tile < 4; ++tile) {
      const std::size_t panel = p + tile % 2;
      const std::size_t above = tile / 2 * kTile;
      if (above >= left || panel >= group.count) continue;
      const PanelOutput output(out, group.row + panel * kPanelRows, group.rows - panel * kPanelRows);
      const std::size_t count = left - above < kTile ? left - above : kTile;
      for (std::size_t c = 0; c < count; ++c) {
        output.put(column + above + c, _mm512_load_ps(sums + (tile * kTile + c) * kPanelRows));
      }
    }
  }
}

}  // namespace

bool takes_bf16(WeightType type, std::size_t count, std::size_t columns) {
  if (type == WeightType::bf16) return count >= kLeastRows && columns % kTileColumns == 0;
  return is_coded(type) && count >= kLeastRowsWidened && columns <= kMostColumns;
}

void round_to_bf16(const float* x, std::size_t first, std::size_t count, std::size_t columns, std::uint16_t* out) {
  const std::size_t padded = padded_columns(columns);
  for (std::size_t t = first; t < first + count; ++t) {
    std::uint16_t* const row = out + t / kTile * kTile * padded + t % kTile * kTileColumns;
    for (std::size_t i = 0; i < padded; i += 16) {
      const std::size_t there = i >= columns ? 0 : (columns - i < 16 ? columns - i : 16);
      const auto mask = static_cast<__mmask16>((1U << there) - 1U);
      const __m512 numbers = _mm512_maskz_loadu_ps(mask, x + t * columns + (there == 0 ? 0 : i));
      std::uint16_t* const to = row + i / kTileColumns * kTile * kTileColumns + i % kTileColumns;
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), __builtin_bit_cast(__m256i, _mm512_cvtneps_pbh(numbers)));
    }
  }
}

void multiply(const PackedMatrix& weights, const Activations& x, std::size_t first_panel, std::size_t last_panel,
              const ProductOut& out) {
  if (weights.parts != nullptr) {
    return multiply_parts(weights, first_panel, last_panel, out,
                          [&](const PackedMatrix& part, std::size_t first, std::size_t last, const ProductOut& its) {
                            multiply(part, x, first, last, its);
                          });
  }
  if (x.bf16 == nullptr) return avx512::multiply(weights, x, first_panel, last_panel, out);
  std::byte* const widened = thread_room(kGroupBytes);
  const Tiles tiles;
  const bool as_they_are = weights.type == WeightType::bf16;
  const std::size_t depth = (as_they_are ? x.columns : padded_columns(x.columns)) / kTileColumns;
  const std::size_t size = depth * kTileBytes;
  const std::size_t most = kGroupBytes / size < 2 ? 2 : kGroupBytes / size / 2 * 2;
  for (std::size_t p = first_panel; p < last_panel; p += most) {
    const std::size_t count = last_panel - p < most ? last_panel - p : most;
    for (std::size_t i = 0; i < count && !as_they_are; ++i) widen(weights, p + i, widened + i * size);
    const Group group{as_they_are ? weights.data + p * size : widened, count, depth, p * kPanelRows,
                      weights.rows - p * kPanelRows};
    for (std::size_t column = 0; column < x.count; column += 2 * kTile) multiply_group(group, x, column, out);
  }
}

void run_bf16(std::size_t rounds) {
  const Tiles tiles;
  for (std::size_t r = 0; r < rounds; ++r) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
    memory_barrier();
  }
}

}  // namespace gyre::amx
#endif
