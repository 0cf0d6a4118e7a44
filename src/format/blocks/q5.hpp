#pragma once

#include <algorithm>
#include <cmath>

#include "format/blocks/bytes.hpp"

namespace gyre::blocks {

/// Number i of 32, of 5 bits: bit i of four bytes above the four bits that 16 further bytes hold as in q4_0.
inline float five_bits(const std::uint8_t* block, std::size_t i) {
  const int upper = (block[i / 8] >> (i % 8)) & 1;
  return static_cast<float>(((block[4 + i % 16] >> (i / 16 * 4)) & 15) | (upper << 4));
}

inline void put_five_bits(std::uint8_t* block, std::size_t i, int quant) {
  put_bits(block[i / 8], i % 8, 1, quant >> 4);
  put_four_bits(block + 4, i, quant & 15);
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

  /// The number of largest magnitude becomes -16 exactly, so that the scale has the opposite sign of it.
  static void write(const float* values, std::uint8_t* block) {
    const float scale = extreme_of(values, kNumbers) / -16.0F;
    const float inverse = inverse_of(scale);
    std::fill_n(block, kBytes, std::uint8_t{0});
    put_half(scale, block);
    for (std::size_t i = 0; i < kNumbers; ++i) {
      put_five_bits(block + 2, i, std::min(31, static_cast<int>(std::floor(values[i] * inverse + 16.5F))));
    }
  }

  static float set(std::uint8_t* block, std::size_t i, float value) {
    const float scale = half_at(block);
    const int code = nearest_code(value, scale, -16 * scale, 31);
    put_five_bits(block + 2, i, code);
    return scale * static_cast<float>(code - 16);
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

  /// The smallest number becomes 0, the largest 31.
  static void write(const float* values, std::uint8_t* block) {
    const auto ends = std::minmax_element(values, values + kNumbers);
    const float least = *ends.first;
    const float scale = (*ends.second - least) / 31.0F;
    const float inverse = inverse_of(scale);
    std::fill_n(block, kBytes, std::uint8_t{0});
    put_half(scale, block);
    put_half(least, block + 2);
    for (std::size_t i = 0; i < kNumbers; ++i) {
      put_five_bits(block + 4, i, std::min(31, static_cast<int>(std::floor((values[i] - least) * inverse + 0.5F))));
    }
  }

  static float set(std::uint8_t* block, std::size_t i, float value) {
    const float scale = half_at(block);
    const float least = half_at(block + 2);
    const int code = nearest_code(value, scale, least, 31);
    put_five_bits(block + 4, i, code);
    return scale * static_cast<float>(code) + least;
  }
};

}  // namespace gyre::blocks
