#pragma once

#include <algorithm>
#include <cmath>

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

  /// The smallest number becomes 0, the largest 15.
  static void write(const float* values, std::uint8_t* block) {
    const auto ends = std::minmax_element(values, values + kNumbers);
    const float least = *ends.first;
    const float scale = (*ends.second - least) / 15.0F;
    const float inverse = inverse_of(scale);
    put_half(scale, block);
    put_half(least, block + 2);
    const auto quant = [&](float value) {
      return std::min(15, static_cast<int>(std::floor((value - least) * inverse + 0.5F)));
    };
    for (std::size_t i = 0; i < kNumbers / 2; ++i) {
      block[4 + i] = static_cast<std::uint8_t>(quant(values[i]) | (quant(values[i + kNumbers / 2]) << 4));
    }
  }

  static float set(std::uint8_t* block, std::size_t i, float value) {
    const float scale = half_at(block);
    const float least = half_at(block + 2);
    const int code = nearest_code(value, scale, least, 15);
    put_four_bits(block + 4, i, code);
    return scale * static_cast<float>(code) + least;
  }
};

}  // namespace gyre::blocks
