#pragma once

#include "kernels/blocks/stored_block.hpp"

namespace gyre::stored {

struct Q6_K {
  static constexpr std::size_t kBytes = 210;

  static void read(const std::uint8_t* bytes, Block& block) {
    const std::uint8_t* const upper = bytes + 128;
    const std::uint8_t* const scales = upper + 64;
    std::memcpy(block.run_scales.data(), scales, block.run_scales.size());
    block.scale = half_at(scales + 16);
    for (std::size_t i = 0; i < 256; ++i) {
      const unsigned low = (bytes[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4)) & 15U;
      const unsigned high = (upper[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3U;
      block.codes[i] = static_cast<std::uint8_t>(low | (high << 4U));
    }
  }
};

}  // namespace gyre::stored
