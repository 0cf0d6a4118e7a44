#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/weight_types.hpp"

namespace gyre {

/// A weight matrix [rows, columns] as the kernels read it: panels of 16 rows, each one linear stream along the columns.
/// A vector of the stream is 64 bytes, 4 for each row of the panel:
///
/// | type | one step of a panel | its vectors |
/// |---|---|---|
/// | f32 | a column | 1 |
/// | bf16 | 2 columns | 1: the pair of each row |
/// | q8_0 | 2 blocks: 64 columns | 16 of codes (signed bytes moved up by 128), 1 of scales |
/// | q4_0 | 2 blocks: 64 columns | 8 of codes, 1 of scales |
/// | ternary | 1 block: 256 columns | 16 of codes, 1 of scales |
/// | iq4_nl | 2 blocks: 64 columns | 8 of codes, 1 of scales |
/// | q4_1 | 2 blocks: 64 columns | 8 of codes, 1 of scales, 1 of minima |
/// | q5_0 | 2 blocks: 64 columns | 8 of codes, 2 of fifth bits, 1 of scales |
/// | q5_1 | 2 blocks: 64 columns | 8 of codes, 2 of fifth bits, 1 of scales, 1 of minima |
/// | q4_k | 1 block: 256 columns | 32 of codes, 4 of runs, 1 of scale and minimum |
/// | q5_k | 1 block: 256 columns | 32 of codes, 8 of fifth bits, 4 of runs, 1 of scale and minimum |
/// | q6_k | 1 block: 256 columns | 32 of codes, 16 of upper two bits, 4 of runs, 1 of scales |
///
/// A byte of codes holds c = 1, 2 or 4 of them, and a byte of upper bits those of c = 4 or 8: field i (from the low
/// bits) of byte b of vector v is column 4 c v + 4 i + b. The scales and minima are 16 halves for each block, those of
/// runs 16 bytes for each run, first all scales. Minima are added: those of K types have changed their sign. Rows
/// beyond the last and columns beyond the last are zeros.
///
/// A matrix whose rows are stored in several types has parts, which follow one another, each but the last of whole
/// panels.
struct PackedMatrix {
  WeightType type = WeightType::f32;
  std::size_t rows = 0;
  std::size_t columns = 0;
  const std::byte* data = nullptr;      ///< 64-byte aligned
  const PackedMatrix* parts = nullptr;  ///< of a matrix of several types, all of them coded; then `type` is the first's
  std::size_t part_count = 0;

  [[nodiscard]] std::size_t panels() const { return (rows + kPanelRows - 1) / kPanelRows; }
};

/// Bytes of one panel, and of a whole matrix.
constexpr std::size_t panel_bytes(WeightType type, std::size_t columns) {
  const WeightLayout& layout = layout_of(type);
  return (columns + layout.step_columns - 1) / layout.step_columns * layout.step_bytes();
}
constexpr std::size_t packed_bytes(WeightType type, std::size_t rows, std::size_t columns) {
  return (rows + kPanelRows - 1) / kPanelRows * panel_bytes(type, columns);
}

/// Bytes of a row as files store it, in whole blocks.
std::size_t stored_row_bytes(WeightType type, std::size_t columns);
/// Writes one panel. rows[r] is row r as files store it (see format/block_formats.hpp); null: zeros.
void pack_panel(WeightType type, std::span<const std::byte* const, kPanelRows> rows, std::size_t columns,
                std::byte* panel);

/// The weights of a row of codes, columns of padding included: scale · code + minimum.
struct PackedRow {
  std::vector<std::int32_t> codes;  ///< less their zero
  std::size_t run = 0;              ///< columns that share what follows, scales of runs multiplied in
  std::vector<float> scales;
  std::vector<float> minima;

  [[nodiscard]] float at(std::size_t column) const {
    return scales[column / run] * static_cast<float>(codes[column]) + minima[column / run];
  }
};
void unpack_codes(const PackedMatrix& whole, std::size_t row, PackedRow& out);
/// The numbers of a row of any type; out holds `columns` floats.
void unpack_row(const PackedMatrix& matrix, std::size_t row, std::span<float> out);

}  // namespace gyre
