#include "kernels/packed.hpp"

#include <array>
#include <cstring>

#include "base/half.hpp"
#include "kernels/blocks/iq4_nl.hpp"
#include "kernels/blocks/q4_0.hpp"
#include "kernels/blocks/q4_1.hpp"
#include "kernels/blocks/q4_k.hpp"
#include "kernels/blocks/q5.hpp"
#include "kernels/blocks/q5_k.hpp"
#include "kernels/blocks/q6_k.hpp"
#include "kernels/blocks/q8_0.hpp"
#include "kernels/blocks/tq2_0.hpp"

namespace gyre {
namespace {

constexpr std::size_t kRowBytes = kPanelVector / kPanelRows;  ///< of one row in a vector
constexpr std::size_t kHalf = sizeof(std::uint16_t);

/// How files store a type.
struct StoredType {
  std::size_t bytes = 0;  ///< of a block, or of a number where there are no blocks
  void (*read)(const std::uint8_t* bytes, stored::Block& block) = nullptr;
};
template <typename Block>
constexpr StoredType stored_as() {
  return {Block::kBytes, Block::read};
}
/// In the order of the enumerators.
constexpr StoredType kStored[] = {
    {4, nullptr},
    {2, nullptr},
    stored_as<stored::Q8_0>(),
    stored_as<stored::Q4_0>(),
    stored_as<stored::TQ2_0>(),
    stored_as<stored::Q4_1>(),
    stored_as<stored::Q4_K>(),
    stored_as<stored::Q5_K>(),
    stored_as<stored::Q6_K>(),
    stored_as<stored::Q5_0>(),
    stored_as<stored::Q5_1>(),
    stored_as<stored::IQ4_NL>(),
};
static_assert(std::size(kStored) == std::size(kWeightLayouts));
const StoredType& stored_type(WeightType type) { return kStored[static_cast<std::size_t>(type)]; }

/// Where the bits of a column's code lie among vectors of fields of so many: the byte of the row, and the first bit.
struct CodePlace {
  std::size_t byte;
  unsigned shift;
};
CodePlace place_of(unsigned bits, std::size_t row, std::size_t column) {
  const std::size_t in_vector = kRowBytes * 8 / bits;
  const std::size_t within = column % in_vector;
  return {column / in_vector * kPanelVector + row * kRowBytes + within % kRowBytes,
          static_cast<unsigned>(within / kRowBytes) * bits};
}

void put_half(std::uint16_t half, std::byte* to) { std::memcpy(to, &half, kHalf); }
float half_at(const std::byte* from) {
  std::uint16_t half = 0;
  std::memcpy(&half, from, kHalf);
  return from_f16(half);
}

/// Writes so many bits of codes, from bit `first` of each on, among the vectors of one row.
void pack_bits(std::span<const std::uint8_t> codes, unsigned first, unsigned bits, std::size_t row,
               std::byte* vectors) {
  const std::size_t fields = 8 / bits;
  const unsigned mask = (1U << bits) - 1U;
  for (std::size_t v = 0; v < codes.size() / (kRowBytes * fields); ++v) {
    const std::uint8_t* const from = &codes[v * kRowBytes * fields];
    for (std::size_t b = 0; b < kRowBytes; ++b) {
      unsigned byte = 0;
      for (std::size_t i = 0; i < fields; ++i) {
        byte |= ((static_cast<unsigned>(from[i * kRowBytes + b]) >> first) & mask) << (i * bits);
      }
      vectors[v * kPanelVector + row * kRowBytes + b] = static_cast<std::byte>(byte);
    }
  }
}

/// Writes block `index` of a step for one row.
void pack_block(const WeightLayout& layout, const stored::Block& block, std::size_t index, std::size_t row,
                std::byte* step) {
  const std::span codes = std::span(block.codes).first(layout.block_columns);
  pack_bits(codes, 0, layout.code_bits, row, step + index * layout.high_at() / layout.step_blocks());
  if (layout.high_bits > 0) {
    const std::size_t bytes = (layout.runs_at() - layout.high_at()) / layout.step_blocks();
    pack_bits(codes, layout.code_bits, layout.high_bits, row, step + layout.high_at() + index * bytes);
  }
  for (std::size_t run = 0; layout.has_run_scales() && run < layout.block_columns / layout.scale_columns; ++run) {
    const std::size_t place = run * kPanelRows + row;
    step[layout.runs_at() + place] = static_cast<std::byte>(block.run_scales[run]);
    if (layout.minima) step[layout.run_minima_at() + place] = static_cast<std::byte>(block.run_minima[run]);
  }
  const std::size_t half = (index * kPanelRows + row) * kHalf;
  put_half(block.scale, step + layout.scales_at() + half);
  if (layout.minima) put_half(block.minimum, step + layout.minima_at() + half);
}

void pack_coded_row(WeightType type, const std::byte* stored, std::size_t columns, std::size_t row, std::byte* panel) {
  const WeightLayout& layout = layout_of(type);
  const StoredType& file = stored_type(type);
  const std::size_t steps = panel_bytes(type, columns) / layout.step_bytes();
  const std::size_t there = stored == nullptr ? 0 : columns / layout.block_columns;
  const stored::Block empty;  // zeros, by its scale
  stored::Block block;
  for (std::size_t b = 0; b < steps * layout.step_blocks(); ++b) {
    const bool filled = b < there;
    if (filled) file.read(reinterpret_cast<const std::uint8_t*>(stored) + b * file.bytes, block);
    pack_block(layout, filled ? block : empty, b % layout.step_blocks(), row,
               panel + b / layout.step_blocks() * layout.step_bytes());
  }
}

/// What the bits of a code stand for.
int value_of(const WeightLayout& layout, unsigned code) {
  const unsigned moved = layout.is_looked_up() ? kIq4Codes[code] : code;
  return static_cast<int>(moved) - layout.zero_code;
}

/// The code of one column of a step, zero taken off.
int code_at(const WeightLayout& layout, const std::byte* step, std::size_t row, std::size_t column) {
  const auto bits_at = [&](const std::byte* vectors, unsigned bits) {
    const CodePlace place = place_of(bits, row, column);
    return (static_cast<unsigned>(vectors[place.byte]) >> place.shift) & ((1U << bits) - 1U);
  };
  unsigned code = bits_at(step, layout.code_bits);
  if (layout.high_bits > 0) code |= bits_at(step + layout.high_at(), layout.high_bits) << layout.code_bits;
  return value_of(layout, code);
}

/// Scale and minimum of a column of a step.
struct Scale {
  float scale;
  float minimum;
};
Scale scale_at(const WeightLayout& layout, const std::byte* step, std::size_t row, std::size_t column) {
  const std::size_t half = (column / layout.block_columns * kPanelRows + row) * kHalf;
  Scale out{half_at(step + layout.scales_at() + half), layout.minima ? half_at(step + layout.minima_at() + half) : 0};
  if (!layout.has_run_scales()) return out;
  const std::size_t run = column / layout.scale_columns * kPanelRows + row;
  const auto scale = static_cast<std::uint8_t>(step[layout.runs_at() + run]);
  // Types with minima have scales of 6 bits, those without signed bytes.
  out.scale *= static_cast<float>(layout.minima ? static_cast<int>(scale) : static_cast<std::int8_t>(scale));
  if (layout.minima) out.minimum *= static_cast<float>(static_cast<unsigned>(step[layout.run_minima_at() + run]));
  return out;
}

/// The part a row lies in; `row` becomes the row within it.
const PackedMatrix* part_of(const PackedMatrix& matrix, std::size_t& row) {
  for (std::size_t i = 0; i < matrix.part_count; ++i) {
    if (row < matrix.parts[i].rows) return &matrix.parts[i];
    row -= matrix.parts[i].rows;
  }
  return &matrix;
}

}  // namespace

std::size_t stored_row_bytes(WeightType type, std::size_t columns) {
  return columns / layout_of(type).block_columns * stored_type(type).bytes;
}

void pack_panel(WeightType type, std::span<const std::byte* const, kPanelRows> rows, std::size_t columns,
                std::byte* panel) {
  std::memset(panel, 0, panel_bytes(type, columns));
  for (std::size_t row = 0; row < kPanelRows; ++row) {
    if (is_coded(type)) {
      pack_coded_row(type, rows[row], columns, row, panel);
      continue;
    }
    if (rows[row] == nullptr) continue;
    const std::size_t per_step = layout_of(type).step_columns;
    const std::size_t size = kRowBytes / per_step;
    for (std::size_t i = 0; i < columns; ++i) {
      std::byte* const vector = panel + i / per_step * kPanelVector;
      std::memcpy(vector + row * kRowBytes + i % per_step * size, rows[row] + i * size, size);
    }
  }
}

void unpack_codes(const PackedMatrix& whole, std::size_t row, PackedRow& out) {
  const PackedMatrix& matrix = *part_of(whole, row);
  const WeightLayout& layout = layout_of(matrix.type);
  const std::size_t size = panel_bytes(matrix.type, matrix.columns);
  const std::byte* const panel = matrix.data + row / kPanelRows * size;
  out.run = layout.scale_columns;
  out.codes.resize(size / layout.step_bytes() * layout.step_columns);
  out.scales.resize(out.codes.size() / out.run);
  out.minima.resize(out.scales.size());
  for (std::size_t i = 0; i < out.codes.size(); ++i) {
    const std::byte* const step = panel + i / layout.step_columns * layout.step_bytes();
    const std::size_t column = i % layout.step_columns;
    out.codes[i] = code_at(layout, step, row % kPanelRows, column);
    if (i % out.run != 0) continue;
    const Scale scale = scale_at(layout, step, row % kPanelRows, column);
    out.scales[i / out.run] = scale.scale;
    out.minima[i / out.run] = scale.minimum;
  }
}

void unpack_row(const PackedMatrix& matrix, std::size_t row, std::span<float> out) {
  const WeightType type = matrix.type;
  if (is_coded(type)) {
    PackedRow codes;
    unpack_codes(matrix, row, codes);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = codes.at(i);
    return;
  }
  const std::size_t per_step = layout_of(type).step_columns;
  const std::byte* panel = matrix.data + row / kPanelRows * panel_bytes(type, matrix.columns);
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, panel + i / per_step * kPanelVector + row % kPanelRows * kRowBytes, sizeof bits);
    if (type == WeightType::bf16) bits = i % 2 == 0 ? bits << 16U : bits & 0xffff0000U;
    std::memcpy(&out[i], &bits, sizeof bits);
  }
}

}  // namespace gyre
