#pragma once

#include "kernels/blocks/stored_block.hpp"

namespace gyre::stored {

struct TQ2_0 {
  static constexpr std::size_t kBytes = 66;

  static void read(const std::uint8_t* bytes, Block& block) {
    block.scale = half_at(bytes + 64);
    for (std::size_t i = 0; i < 256; ++i) block.codes[i] = (bytes[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3U;
  }
};

}  // namespace gyre::stored
