#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gyre {

/// How the weights of a matrix are stored. In the last three a block of neighbours in a row shares one scale, an IEEE
/// half: a weight is scale · (code − zero).
enum class WeightType {
  f32,
  bf16,
  q8_0,     ///< blocks of 32, 8 bits
  q4_0,     ///< blocks of 32, 4 bits
  ternary,  ///< blocks of 256, 2 bits, of which 3 codes are used: the TQ2_0 of GGUF
};

/// Rows of a panel: what one AVX-512 register holds of 32-bit sums.
inline constexpr std::size_t kPanelRows = 16;

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
///
/// A byte of codes holds c = 1, 2 or 4 of them: field i (from the low bits) of byte b of vector v is column
/// 4 c v + 4 i + b. The scales are 16 halves for each block. Rows beyond the last and columns beyond the last are
/// zeros.
struct PackedMatrix {
  WeightType type = WeightType::f32;
  std::size_t rows = 0;
  std::size_t columns = 0;
  const std::byte* data = nullptr;  ///< 64-byte aligned

  [[nodiscard]] std::size_t panels() const { return (rows + kPanelRows - 1) / kPanelRows; }
};

/// Whether this is a block format, whose products are taken with activations that are rounded to bytes.
constexpr bool is_coded(WeightType type) { return type != WeightType::f32 && type != WeightType::bf16; }
/// Bits of a code, and the code that stands for 0; of the block formats.
constexpr unsigned code_bits(WeightType type) {
  return type == WeightType::ternary ? 2 : (type == WeightType::q4_0 ? 4 : 8);
}
constexpr int zero_code(WeightType type) {
  return type == WeightType::ternary ? 1 : (type == WeightType::q4_0 ? 8 : 128);
}

/// Bytes of a vector of a panel.
inline constexpr std::size_t kPanelVector = 64;

/// Columns of one step of a panel, and its bytes.
constexpr std::size_t step_columns(WeightType type) {
  if (!is_coded(type)) return type == WeightType::bf16 ? 2 : 1;
  return type == WeightType::ternary ? 256 : 64;
}
constexpr std::size_t step_bytes(WeightType type) {
  if (!is_coded(type)) return kPanelVector;
  return step_columns(type) * kPanelRows * code_bits(type) / 8 + kPanelVector;
}

/// Bytes of one panel, and of a whole matrix.
constexpr std::size_t panel_bytes(WeightType type, std::size_t columns) {
  return (columns + step_columns(type) - 1) / step_columns(type) * step_bytes(type);
}
constexpr std::size_t packed_bytes(WeightType type, std::size_t rows, std::size_t columns) {
  return (rows + kPanelRows - 1) / kPanelRows * panel_bytes(type, columns);
}

/// Bytes of a row as files store it, in whole blocks.
std::size_t stored_row_bytes(WeightType type, std::size_t columns);
/// Writes one panel. rows[r] is row r as files store it (see format/block_formats.hpp); null: zeros.
void pack_panel(WeightType type, std::span<const std::byte* const, kPanelRows> rows, std::size_t columns,
                std::byte* panel);
/// The weights of a row of codes: codes less their zero, and the scale of each 32 of them, columns of padding included.
struct PackedRow {
  std::vector<std::int32_t> codes;
  std::vector<float> scales;
};
void unpack_codes(const PackedMatrix& matrix, std::size_t row, PackedRow& out);
/// The numbers of a row of any type; out holds `columns` floats.
void unpack_row(const PackedMatrix& matrix, std::size_t row, std::span<float> out);

}  // namespace gyre
