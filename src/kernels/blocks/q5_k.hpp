#pragma once

#include "kernels/blocks/q4_k.hpp"

namespace gyre::stored {

struct Q5_K {
  static constexpr std::size_t kBytes = 176;

  static void read(const std::uint8_t* bytes, Block& block) {
    read_k_scales(bytes, block);
    read_k_codes(bytes + 48, block);
    for (std::size_t i = 0; i < 256; ++i) {
      block.codes[i] |= static_cast<std::uint8_t>(((bytes[16 + i % 32] >> (i / 32)) & 1U) << 4U);
    }
  }
};

}  // namespace gyre::stored
