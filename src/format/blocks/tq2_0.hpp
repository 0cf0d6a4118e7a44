#pragma once

#include <algorithm>
#include <cmath>

#include "format/blocks/bytes.hpp"

namespace gyre::blocks {

/// 64 bytes, d: d (q - 1), q of 2 bits. Two halves of 128 numbers, each four runs of 32: run r is bits 2r and 2r + 1 of
/// 32 bytes.
struct TQ2_0 {
  static constexpr std::size_t kNumbers = 256;
  static constexpr std::size_t kBytes = 66;
  static constexpr Scales<1> kScales = {64};

  static void read(const std::uint8_t* block, float* out) {
    const float scale = half_at(block + kScales[0]);
    for (std::size_t i = 0; i < kNumbers; ++i) {
      const int code = (block[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
      out[i] = scale * static_cast<float>(code - 1);
    }
  }

  /// Numbers below half of the largest magnitude become 0. Meant for weights that have three values already.
  static void write(const float* values, std::uint8_t* block) {
    float largest = 0;
    for (std::size_t i = 0; i < kNumbers; ++i) largest = std::max(largest, std::fabs(values[i]));
    float inverse = largest > 0 ? 1.0F / largest : 0.0F;
    if (!std::isfinite(inverse)) inverse = 0;
    std::fill_n(block, kNumbers / 4, std::uint8_t{0});
    for (std::size_t i = 0; i < kNumbers; ++i) {
      const auto code = static_cast<unsigned>(static_cast<int>(std::round(values[i] * inverse)) + 1);
      block[i / 128 * 32 + i % 32] |= static_cast<std::uint8_t>(code << (i % 128 / 32 * 2));
    }
    put_half(largest, block + kScales[0]);
  }

  static float set(std::uint8_t* block, std::size_t i, float value) {
    const float scale = half_at(block + kScales[0]);
    const int code = nearest_code(value, scale, -scale, 2);
    put_bits(block[i / 128 * 32 + i % 32], i % 128 / 32 * 2, 2, code);
    return scale * static_cast<float>(code - 1);
  }
};

}  // namespace gyre::blocks
