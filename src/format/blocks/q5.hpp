#pragma once

#include "format/blocks/bytes.hpp"

namespace gyre::blocks {

/// Number i of 32, of 5 bits: bit i of four bytes above the four bits that 16 further bytes hold as in q4_0.
inline float five_bits(const std::uint8_t* block, std::size_t i) {
  const int upper = (block[i / 8] >> (i % 8)) & 1;
  return static_cast<float>(((block[4 + i % 16] >> (i / 16 * 4)) & 15) | (upper << 4));
}

/// d, 4 bytes of fifth bits, 16 bytes: d (q - 16).
struct Q5_0 {
  static constexpr std::size_t kNumbers = 32;
  static constexpr std::size_t kBytes = 22;
  static constexpr Scales<1> kScales = {0};

  static void read(const std::uint8_t* block, float* out) {
    const float scale = half_at(block);
    for (std::size_t i = 0; i < kNumbers; ++i) out[i] = scale * (five_bits(block + 2, i) - 16.0F);
  }
};

/// d, m, 4 bytes of fifth bits, 16 bytes: d q + m.
struct Q5_1 {
  static constexpr std::size_t kNumbers = 32;
  static constexpr std::size_t kBytes = 24;
  static constexpr Scales<2> kScales = {0, 2};

  static void read(const std::uint8_t* block, float* out) {
    const float scale = half_at(block);
    const float least = half_at(block + 2);
    for (std::size_t i = 0; i < kNumbers; ++i) out[i] = scale * five_bits(block + 4, i) + least;
  }
};

}  // namespace gyre::blocks
