#pragma once

#include "kernels/blocks/stored_block.hpp"

namespace gyre::stored {

/// What q4_k and q5_k begin with (src/format/blocks/k_scales.hpp): 16 bytes. The minimum is one that is taken off.
inline void read_k_scales(const std::uint8_t* bytes, Block& block) {
  constexpr std::uint16_t kSign = 0x8000;
  block.scale = half_at(bytes);
  block.minimum = half_at(bytes + 2) ^ kSign;
  const std::uint8_t* const packed = bytes + 4;
  for (std::size_t i = 0; i < 4; ++i) {
    block.run_scales[i] = packed[i] & 63U;
    block.run_minima[i] = packed[i + 4] & 63U;
    block.run_scales[i + 4] = static_cast<std::uint8_t>((packed[i + 8] & 15U) | ((packed[i] >> 6U) << 4U));
    block.run_minima[i + 4] = static_cast<std::uint8_t>((packed[i + 8] >> 4U) | ((packed[i + 4] >> 6U) << 4U));
  }
}

/// The lower four bits of 256 codes: of each 32 bytes the low halves are a run of 32 and the high ones the next.
inline void read_k_codes(const std::uint8_t* bytes, Block& block) {
  for (std::size_t i = 0; i < 256; ++i) block.codes[i] = (bytes[i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4)) & 15U;
}

struct Q4_K {
  static constexpr std::size_t kBytes = 144;

  static void read(const std::uint8_t* bytes, Block& block) {
    read_k_scales(bytes, block);
    read_k_codes(bytes + 16, block);
  }
};

}  // namespace gyre::stored
