#pragma once

#include "kernels/blocks/stored_block.hpp"

namespace gyre::stored {

/// Four bytes of fifth bits, then 16 of the other four.
inline void read_fives(const std::uint8_t* bytes, std::uint8_t* codes) {
  read_halves(bytes + 4, codes);
  for (std::size_t i = 0; i < 32; ++i) codes[i] |= static_cast<std::uint8_t>(((bytes[i / 8] >> (i % 8)) & 1U) << 4U);
}

struct Q5_0 {
  static constexpr std::size_t kBytes = 22;

  static void read(const std::uint8_t* bytes, Block& block) {
    block.scale = half_at(bytes);
    read_fives(bytes + 2, block.codes.data());
  }
};

struct Q5_1 {
  static constexpr std::size_t kBytes = 24;

  static void read(const std::uint8_t* bytes, Block& block) {
    block.scale = half_at(bytes);
    block.minimum = half_at(bytes + 2);
    read_fives(bytes + 4, block.codes.data());
  }
};

}  // namespace gyre::stored
