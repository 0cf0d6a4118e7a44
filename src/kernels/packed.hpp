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

/// What the kernels know of a type; `code_bits` of 0: its numbers are multiplied as they are.
struct WeightLayout {
  WeightType type;
  unsigned code_bits;         ///< of a code
  int zero_code;              ///< the code that stands for 0
  std::size_t block_columns;  ///< that share a scale
  std::size_t step_columns;   ///< of one step of a panel
};
/// In the order of the enumerators.
inline constexpr WeightLayout kWeightLayouts[] = {
    {WeightType::f32, 0, 0, 1, 1},    {WeightType::bf16, 0, 0, 1, 2},        {WeightType::q8_0, 8, 128, 32, 64},
    {WeightType::q4_0, 4, 8, 32, 64}, {WeightType::ternary, 2, 1, 256, 256},
};
constexpr const WeightLayout& layout_of(WeightType type) { return kWeightLayouts[static_cast<std::size_t>(type)]; }

/// Whether this is a block format, whose products are taken with activations that are rounded to bytes.
constexpr bool is_coded(WeightType type) { return layout_of(type).code_bits > 0; }
constexpr unsigned code_bits(WeightType type) { return layout_of(type).code_bits; }
constexpr int zero_code(WeightType type) { return layout_of(type).zero_code; }
constexpr std::size_t block_columns(WeightType type) { return layout_of(type).block_columns; }
constexpr std::size_t step_columns(WeightType type) { return layout_of(type).step_columns; }

/// Calls `function` with the type as a template argument: function.template operator()<Type>().
template <typename Function>
void with_type(WeightType type, const Function& function) {
  switch (type) {
    case WeightType::f32:
      return function.template operator()<WeightType::f32>();
    case WeightType::bf16:
      return function.template operator()<WeightType::bf16>();
    case WeightType::q8_0:
      return function.template operator()<WeightType::q8_0>();
    case WeightType::q4_0:
      return function.template operator()<WeightType::q4_0>();
    case WeightType::ternary:
      return function.template operator()<WeightType::ternary>();
  }
}

/// Bytes of a vector of a panel.
inline constexpr std::size_t kPanelVector = 64;

/// Bytes of one step of a panel.
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
