#pragma once

#include "kernels/blocks/stored_block.hpp"

namespace gyre::stored {

struct Q4_1 {
  static constexpr std::size_t kBytes = 20;

  static void read(const std::uint8_t* bytes, Block& block) {
    block.scale = half_at(bytes);
    block.minimum = half_at(bytes + 2);
    read_halves(bytes + 4, block.codes.data());
  }
};

}  // namespace gyre::stored
