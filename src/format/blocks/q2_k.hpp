#pragma once

#include "format/blocks/bytes.hpp"

namespace gyre::blocks {

/// 16 bytes of a scale s (low half) and a minimum n (high half) each, 64 bytes, d, m: d s q - m n. Two halves of 128
/// numbers, each four runs of 32: run r is bits 2r and 2r + 1 of 32 bytes. A scale serves 16 numbers.
struct Q2_K {
  static constexpr std::size_t kNumbers = 256;
  static constexpr std::size_t kBytes = 84;
  static constexpr Scales<2> kScales = {80, 82};

  static void read(const std::uint8_t* block, float* out) {
    const std::uint8_t* quants = block + 16;
    const float scale = half_at(block + kScales[0]);
    const float least = half_at(block + kScales[1]);
    for (std::size_t i = 0; i < kNumbers; ++i) {
      const std::uint8_t both = block[i / 16];
      const int quant = (quants[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
      out[i] =
          scale * static_cast<float>(both & 15) * static_cast<float>(quant) - least * static_cast<float>(both >> 4);
    }
  }
};

}  // namespace gyre::blocks
