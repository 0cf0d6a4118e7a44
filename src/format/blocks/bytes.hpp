#pragma once

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

}  // namespace gyre::blocks
