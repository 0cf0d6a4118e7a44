#pragma once

#include <algorithm>
#include <cmath>

#include "format/blocks/bytes.hpp"

namespace gyre::blocks {

/// d, 32 signed bytes q: d q.
struct Q8_0 {
  static constexpr std::size_t kNumbers = 32;
  static constexpr std::size_t kBytes = 34;
  static constexpr Scales<1> kScales = {0};

  static void read(const std::uint8_t* block, float* out) {
    const float scale = half_at(block);
    for (std::size_t i = 0; i < kNumbers; ++i) out[i] = scale * as_signed(block[2 + i]);
  }

  /// ggml rounds halves away from zero.
  static void write(const float* values, std::uint8_t* block) {
    float largest = 0;
    for (std::size_t i = 0; i < kNumbers; ++i) largest = std::max(largest, std::fabs(values[i]));
    const float scale = largest / 127.0F;
    const float inverse = scale > 0 ? 1.0F / scale : 0.0F;
    put_half(scale, block);
    for (std::size_t i = 0; i < kNumbers; ++i) {
      // A block of numbers too small for a float's inverse is one of zeros: its scale as a half is 0 in any case.
      const float quant = std::isfinite(inverse) ? std::round(values[i] * inverse) : 0.0F;
      block[2 + i] = static_cast<std::uint8_t>(static_cast<std::int8_t>(quant));
    }
  }

  static float set(std::uint8_t* block, std::size_t i, float value) {
    const float scale = half_at(block);
    const int code = nearest_code(value, scale, -127 * scale, 254) - 127;
    block[2 + i] = static_cast<std::uint8_t>(static_cast<std::int8_t>(code));
    return scale * static_cast<float>(code);
  }
};

}  // namespace gyre::blocks
