#pragma once

#include <bit>
#include <cstdint>

namespace gyre {

/// Rounds to the nearest bfloat16, ties to even.
constexpr std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = bits + 0x7fffU + ((bits >> 16U) & 1U);
  const std::uint32_t quiet = bits | 0x400000U;  // rounding must not make a number of what is none
  return static_cast<std::uint16_t>(((bits & 0x7fffffffU) > 0x7f800000U ? quiet : rounded) >> 16U);
}
/// Rounds to the nearest IEEE half, ties to even; beyond the largest half is infinity.
std::uint16_t to_f16(float value);
float from_f16(std::uint16_t half);

}  // namespace gyre
