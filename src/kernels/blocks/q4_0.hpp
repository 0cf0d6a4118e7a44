#pragma once

#include "kernels/blocks/stored_block.hpp"

namespace gyre::stored {

struct Q4_0 {
  static constexpr std::size_t kBytes = 18;

  static void read(const std::uint8_t* bytes, Block& block) {
    block.scale = half_at(bytes);
    read_halves(bytes + 2, block.codes.data());
  }
};

}  // namespace gyre::stored
