#pragma once

#include "format/blocks/bytes.hpp"

namespace gyre::blocks {

/// d, m, 16 bytes: d q + m. The halves of the bytes as in q4_0.
struct Q4_1 {
  static constexpr std::size_t kNumbers = 32;
  static constexpr std::size_t kBytes = 20;
  static constexpr Scales<2> kScales = {0, 2};

  static void read(const std::uint8_t* block, float* out) {
    const float scale = half_at(block);
    const float least = half_at(block + 2);
    for (std::size_t i = 0; i < kNumbers / 2; ++i) {
      out[i] = scale * static_cast<float>(block[4 + i] & 15) + least;
      out[i + kNumbers / 2] = scale * static_cast<float>(block[4 + i] >> 4) + least;
    }
  }
};

}  // namespace gyre::blocks
