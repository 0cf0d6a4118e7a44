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

/// Columns of one step of a panel, and its bytes.
std::size_t step_columns(WeightType type);
std::size_t step_bytes(WeightType type);
/// Whether this is a block format, whose products are taken with activations that are rounded to bytes.
bool is_coded(WeightType type);
/// Bits of a code, and the code that stands for 0; of the block formats.
unsigned code_bits(WeightType type);
int zero_code(WeightType type);

/// Bytes of one panel, and of a whole matrix.
std::size_t panel_bytes(WeightType type, std::size_t columns);
std::size_t packed_bytes(WeightType type, std::size_t rows, std::size_t columns);

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
