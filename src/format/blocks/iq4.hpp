#pragma once

#include "format/blocks/bytes.hpp"

namespace gyre::blocks {

/// What the 16 codes of both types stand for: close where weights are many.
inline constexpr std::array<float, 16> kIq4Values = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                     1,    13,   25,  38,  53,  69,  89,  113};

/// d, 16 bytes: d v[q]. The halves of the bytes as in q4_0.
struct IQ4_NL {
  static constexpr std::size_t kNumbers = 32;
  static constexpr std::size_t kBytes = 18;
  static constexpr Scales<1> kScales = {0};

  static void read(const std::uint8_t* block, float* out) {
    const float scale = half_at(block);
    for (std::size_t i = 0; i < kNumbers; ++i) out[i] = scale * kIq4Values[(block[2 + i % 16] >> (i / 16 * 4)) & 15];
  }
};

/// d, 2 bytes of the upper two bits of 8 scales s, 4 bytes of their lower four, 128 bytes: d (s - 32) v[q]. Each 32
/// numbers lie in 16 bytes as in q4_0 and share a scale.
struct IQ4_XS {
  static constexpr std::size_t kNumbers = 256;
  static constexpr std::size_t kBytes = 136;
  static constexpr Scales<1> kScales = {0};

  static void read(const std::uint8_t* block, float* out) {
    const float scale = half_at(block);
    const std::uint8_t* upper = block + 2;
    const std::uint8_t* lower = block + 4;
    const std::uint8_t* quants = block + 8;
    for (std::size_t i = 0; i < kNumbers; ++i) {
      const std::size_t run = i / 32;
      const int low = (lower[run / 2] >> (run % 2 * 4)) & 15;
      const int high = (upper[run / 4] >> (run % 4 * 2)) & 3;
      const int quant = (quants[run * 16 + i % 16] >> (i % 32 / 16 * 4)) & 15;
      out[i] = scale * static_cast<float>((low | (high << 4)) - 32) * kIq4Values[static_cast<std::size_t>(quant)];
    }
  }
};

}  // namespace gyre::blocks
