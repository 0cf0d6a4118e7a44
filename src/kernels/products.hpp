#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/packed.hpp"

namespace gyre {

/// Activations are rounded to bytes in runs of this many neighbours that share a scale.
inline constexpr std::size_t kByteRun = 32;

/// Columns of rounded activations: whole steps of every coded type but the ternary one, whose rows are whole blocks.
constexpr std::size_t padded_columns(std::size_t columns) { return (columns + 63) / 64 * 64; }

/// Rows of bfloat16 are kept in whole pairs of tiles of 16 rows by 32 columns.
inline constexpr std::size_t kBf16Rows = 32;

/// Products of floats are summed over this many columns before their sum joins the others: one sum over all of them, or
/// one that begins with a large number, would lose the digits of small ones.
inline constexpr std::size_t kSumColumns = 256;

/// A run whose numbers are all smaller is one of zeros: the inverse of its scale would leave the floats.
inline constexpr float kSmallestRun = 1e-30F;

/// Rows of numbers rounded to bytes: a number is scale · byte, and a byte lies within ±127. Zeros follow the columns.
struct ByteRows {
  std::int8_t* bytes = nullptr;        ///< [count, padded columns]
  float* scales = nullptr;             ///< [count, padded columns / kByteRun]
  std::int32_t* zeros = nullptr;       ///< −128 times the sum of the bytes of each run, likewise
  float* sums = nullptr;               ///< of the rounded numbers of each run, likewise
  std::int32_t* half_zeros = nullptr;  ///< −128 times the sum of the bytes of each half of a run, twice as many
};

/// Rows of activations as products read them.
struct Activations {
  std::size_t count = 0;
  std::size_t columns = 0;
  const float* floats = nullptr;  ///< [count, columns], for f32 and bf16 weights
  ByteRows rounded;               ///< for coded weights
  /// Where the kernels take them, for bf16 and coded weights: bfloat16 in tiles of [16 rows, 32 columns], those of the
  /// same rows one after the other, [count, padded columns] in all; there is room for as many rows as make the count a
  /// multiple of kBf16Rows.
  const std::uint16_t* bf16 = nullptr;
};

/// Where a product goes: y[t, row] with `stride` floats between the t, onto what is there or in its place.
struct ProductOut {
  float* y = nullptr;
  std::size_t stride = 0;
  const float* bias = nullptr;  ///< one a row; null: none
  bool add = false;
};

/// Calls multiply(part, first, last, out) for every part of a matrix that has parts and some of these panels.
template <typename Multiply>
void multiply_parts(const PackedMatrix& weights, std::size_t first_panel, std::size_t last_panel, const ProductOut& out,
                    const Multiply& multiply) {
  std::size_t row = 0;
  for (std::size_t i = 0; i < weights.part_count; ++i) {
    const PackedMatrix& part = weights.parts[i];
    const std::size_t begin = row / kPanelRows;
    const std::size_t end = begin + part.panels();
    const std::size_t first = first_panel < begin ? begin : first_panel;
    const std::size_t last = last_panel < end ? last_panel : end;
    const float* const bias = out.bias == nullptr ? nullptr : out.bias + row;
    if (first < last) multiply(part, first - begin, last - begin, ProductOut{out.y + row, out.stride, bias, out.add});
    row += part.rows;
  }
}

}  // namespace gyre
