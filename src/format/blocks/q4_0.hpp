#pragma once

#include <algorithm>

#include "format/blocks/bytes.hpp"

namespace gyre::blocks {

/// d, 16 bytes: d (q - 8). The low halves of the bytes are the first 16 numbers, the high halves the other 16.
struct Q4_0 {
  static constexpr std::size_t kNumbers = 32;
  static constexpr std::size_t kBytes = 18;
  static constexpr Scales<1> kScales = {0};

  static void read(const std::uint8_t* block, float* out) {
    const float scale = half_at(block);
    for (std::size_t i = 0; i < kNumbers / 2; ++i) {
      out[i] = scale * static_cast<float>((block[2 + i] & 15) - 8);
      out[i + kNumbers / 2] = scale * static_cast<float>((block[2 + i] >> 4) - 8);
    }
  }

  /// The number of largest magnitude becomes -8 exactly, so that the scale has the opposite sign of it.
  static void write(const float* values, std::uint8_t* block) {
    const float scale = extreme_of(values, kNumbers) / -8.0F;
    const float inverse = inverse_of(scale);
    put_half(scale, block);
    const auto quant = [&](float value) { return std::min(15, static_cast<int>(value * inverse + 8.5F)); };
    for (std::size_t i = 0; i < kNumbers / 2; ++i) {
      block[2 + i] = static_cast<std::uint8_t>(quant(values[i]) | (quant(values[i + kNumbers / 2]) << 4));
    }
  }

  static float set(std::uint8_t* block, std::size_t i, float value) {
    const float scale = half_at(block);
    const int code = nearest_code(value, scale, -8 * scale, 15);
    put_four_bits(block + 2, i, code);
    return scale * static_cast<float>(code - 8);
  }
};

}  // namespace gyre::blocks
