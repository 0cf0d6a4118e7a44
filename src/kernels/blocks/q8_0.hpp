#pragma once

#include "kernels/blocks/stored_block.hpp"

namespace gyre::stored {

/// Codes are the signed bytes moved up by 128.
struct Q8_0 {
  static constexpr std::size_t kBytes = 34;

  static void read(const std::uint8_t* bytes, Block& block) {
    block.scale = half_at(bytes);
    for (std::size_t i = 0; i < 32; ++i) block.codes[i] = static_cast<std::uint8_t>(bytes[2 + i] ^ 0x80U);
  }
};

}  // namespace gyre::stored
