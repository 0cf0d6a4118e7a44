#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/half.hpp"

namespace gyre::blocks {

/// Where the halves of a block lie that must be finite: its scale, and its minimum if it has one.
template <std::size_t Count>
using Scales = std::array<std::size_t, Count>;

inline float half_at(const std::uint8_t* bytes) {
  std::uint16_t half = 0;
  std::memcpy(&half, bytes, sizeof half);
  return from_f16(half);
}

inline void put_half(float value, std::uint8_t* bytes) {
  const std::uint16_t half = to_f16(value);
  std::memcpy(bytes, &half, sizeof half);
}

inline float as_signed(std::uint8_t byte) { return static_cast<float>(static_cast<std::int8_t>(byte)); }

/// The number of largest magnitude, with its sign; of equals the first.
inline float extreme_of(const float* values, std::size_t count) {
  float extreme = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (std::fabs(values[i]) > std::fabs(extreme)) extreme = values[i];
  }
  return extreme;
}

/// 1 / scale; 0 where that is not finite, so that what is too small for a scale becomes 0.
inline float inverse_of(float scale) {
  const float inverse = scale != 0 ? 1.0F / scale : 0.0F;
  return std::isfinite(inverse) ? inverse : 0.0F;
}

/// The code of 0 … most that scale · code + least comes nearest to `value` with; 0 where the scale is.
inline int nearest_code(float value, float scale, float least, int most) {
  const float code = std::round((value - least) * inverse_of(scale));
  return static_cast<int>(std::min(std::max(code, 0.0F), static_cast<float>(most)));
}

/// Puts a code of `bits` bits at `shift` of a byte, in place of the one that stands there.
inline void put_bits(std::uint8_t& byte, std::size_t shift, int bits, int code) {
  const int mask = ((1 << bits) - 1) << shift;
  byte = static_cast<std::uint8_t>((byte & ~mask) | (code << shift));
}

/// Number i of 32 of four bits, in 16 bytes whose low halves are the first 16 numbers.
inline void put_four_bits(std::uint8_t* bytes, std::size_t i, int code) {
  put_bits(bytes[i % 16], i / 16 * 4, 4, code);
}

}  // namespace gyre::blocks
