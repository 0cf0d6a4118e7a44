#pragma once

#include <array>
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

}  // namespace gyre::blocks
