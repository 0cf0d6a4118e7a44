#include "kernels/packed.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/half.hpp"

namespace gyre {
namespace {

constexpr std::size_t kRowBytes = kPanelVector / kPanelRows;  ///< of one row in a vector
constexpr std::size_t kMostBlock = 256;

/// Bytes of a block as files store it.
std::size_t stored_block_bytes(WeightType type) {
  constexpr std::size_t kScale = 2;
  return block_columns(type) * code_bits(type) / 8 + kScale;
}

/// One block of a row, taken apart.
struct Block {
  std::uint16_t scale = 0;
  std::array<std::uint8_t, kMostBlock> codes{};
};

Block read_block(WeightType type, const std::byte* stored) {
  Block block;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(stored);
  // Scales lead in q8_0 and q4_0 and end a ternary block.
  const bool leads = type != WeightType::ternary;
  std::memcpy(&block.scale, leads ? bytes : bytes + kMostBlock / 4, sizeof block.scale);
  const std::uint8_t* codes = leads ? bytes + sizeof block.scale : bytes;
  switch (type) {
    case WeightType::q8_0:
      for (std::size_t i = 0; i < 32; ++i) block.codes[i] = static_cast<std::uint8_t>(codes[i] ^ 0x80U);
      break;
    case WeightType::q4_0:
      for (std::size_t i = 0; i < 32; ++i) block.codes[i] = (codes[i % 16] >> (i / 16 * 4)) & 15U;
      break;
    case WeightType::ternary:
      for (std::size_t i = 0; i < 256; ++i) block.codes[i] = (codes[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3U;
      break;
    default:
      break;
  }
  return block;
}

/// A row without weights still has to decode to zeros.
Block empty_block(WeightType type) {
  Block block;
  block.codes.fill(static_cast<std::uint8_t>(zero_code(type)));
  return block;
}

/// Where the code of a column of a step lies: the byte within the row's 4 bytes of a vector, and the first bit.
struct CodePlace {
  std::size_t vector;
  std::size_t byte;
  unsigned shift;
};
CodePlace place_of(WeightType type, std::size_t column) {
  const std::size_t fields = 8 / code_bits(type);
  const std::size_t within = column % (kRowBytes * fields);
  return {column / (kRowBytes * fields), within % kRowBytes,
          static_cast<unsigned>(within / kRowBytes) * code_bits(type)};
}

/// Writes one row of a step: its codes and the scales of its blocks.
void pack_step_row(WeightType type, std::span<const Block> blocks, std::size_t row, std::byte* step) {
  const std::size_t fields = 8 / code_bits(type);
  const std::size_t vectors = step_bytes(type) / kPanelVector - 1;
  for (std::size_t v = 0; v < vectors; ++v) {
    const std::size_t column = v * kRowBytes * fields;
    const std::uint8_t* codes = &blocks[column / block_columns(type)].codes[column % block_columns(type)];
    for (std::size_t b = 0; b < kRowBytes; ++b) {
      unsigned byte = 0;
      for (std::size_t i = 0; i < fields; ++i) {
        byte |= static_cast<unsigned>(codes[i * kRowBytes + b]) << (static_cast<unsigned>(i) * code_bits(type));
      }
      step[v * kPanelVector + row * kRowBytes + b] = static_cast<std::byte>(byte);
    }
  }
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const std::size_t place = vectors * kPanelVector + (b * kPanelRows + row) * sizeof(std::uint16_t);
    std::memcpy(step + place, &blocks[b].scale, sizeof(std::uint16_t));
  }
}

void pack_coded_row(WeightType type, const std::byte* stored, std::size_t columns, std::size_t row, std::byte* panel) {
  const std::size_t steps = panel_bytes(type, columns) / step_bytes(type);
  const std::size_t in_step = step_columns(type) / block_columns(type);
  const std::size_t stored_blocks = stored == nullptr ? 0 : columns / block_columns(type);
  std::array<Block, 2> blocks;
  for (std::size_t s = 0; s < steps; ++s) {
    for (std::size_t b = 0; b < in_step; ++b) {
      const std::size_t index = s * in_step + b;
      blocks[b] =
          index < stored_blocks ? read_block(type, stored + index * stored_block_bytes(type)) : empty_block(type);
    }
    pack_step_row(type, std::span(blocks).first(in_step), row, panel + s * step_bytes(type));
  }
}

}  // namespace

std::size_t stored_row_bytes(WeightType type, std::size_t columns) {
  if (type == WeightType::f32) return columns * sizeof(float);
  if (type == WeightType::bf16) return columns * sizeof(std::uint16_t);
  return columns / block_columns(type) * stored_block_bytes(type);
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
    const std::size_t per_step = step_columns(type);
    const std::size_t size = kRowBytes / per_step;
    for (std::size_t i = 0; i < columns; ++i) {
      std::byte* const vector = panel + i / per_step * kPanelVector;
      std::memcpy(vector + row * kRowBytes + i % per_step * size, rows[row] + i * size, size);
    }
  }
}

void unpack_codes(const PackedMatrix& matrix, std::size_t row, PackedRow& out) {
  constexpr std::size_t kRun = 32;
  const WeightType type = matrix.type;
  const std::size_t size = panel_bytes(type, matrix.columns);
  const std::byte* panel = matrix.data + row / kPanelRows * size;
  const std::size_t lane = row % kPanelRows;
  out.codes.resize(size / step_bytes(type) * step_columns(type));
  out.scales.resize(out.codes.size() / kRun);
  for (std::size_t i = 0; i < out.codes.size(); ++i) {
    const std::byte* step = panel + i / step_columns(type) * step_bytes(type);
    const CodePlace place = place_of(type, i % step_columns(type));
    const auto byte = static_cast<unsigned>(step[place.vector * kPanelVector + lane * kRowBytes + place.byte]);
    const unsigned code = (byte >> place.shift) & ((1U << code_bits(type)) - 1U);
    out.codes[i] = static_cast<std::int32_t>(code) - zero_code(type);
    if (i % kRun != 0) continue;
    std::uint16_t scale = 0;
    const std::size_t block = i % step_columns(type) / block_columns(type);
    std::memcpy(&scale, step + step_bytes(type) - kPanelVector + (block * kPanelRows + lane) * sizeof scale,
                sizeof scale);
    out.scales[i / kRun] = from_f16(scale);
  }
}

void unpack_row(const PackedMatrix& matrix, std::size_t row, std::span<float> out) {
  const WeightType type = matrix.type;
  if (is_coded(type)) {
    PackedRow codes;
    unpack_codes(matrix, row, codes);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = codes.scales[i / 32] * static_cast<float>(codes.codes[i]);
    return;
  }
  const std::byte* panel = matrix.data + row / kPanelRows * panel_bytes(type, matrix.columns);
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, panel + i / step_columns(type) * kPanelVector + row % kPanelRows * kRowBytes, sizeof bits);
    if (type == WeightType::bf16) bits = i % 2 == 0 ? bits << 16U : bits & 0xffff0000U;
    std::memcpy(&out[i], &bits, sizeof bits);
  }
}

}  // namespace gyre
