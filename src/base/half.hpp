#pragma once

#include <cstdint>

namespace gyre {

/// Rounds to the nearest bfloat16, ties to even.
std::uint16_t to_bf16(float value);
/// Rounds to the nearest IEEE half, ties to even; beyond the largest half is infinity.
std::uint16_t to_f16(float value);
float from_f16(std::uint16_t half);

}  // namespace gyre
