#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gyre::stored {

/// One block of a row of codes as files store it, taken apart. What numbers it stands for is said in src/format/blocks.
struct Block {
  std::uint16_t scale = 0;    ///< an IEEE half
  std::uint16_t minimum = 0;  ///< likewise, of types that have one
  std::array<std::uint8_t, 256> codes{};
  /// Of K types: those of runs, by which the two above are multiplied. Signed in q6_k.
  std::array<std::uint8_t, 16> run_scales{};
  std::array<std::uint8_t, 8> run_minima{};
};

inline std::uint16_t half_at(const std::uint8_t* bytes) {
  std::uint16_t half = 0;
  std::memcpy(&half, bytes, sizeof half);
  return half;
}

/// 32 codes of 4 bits: the low halves of 16 bytes, then the high ones.
inline void read_halves(const std::uint8_t* bytes, std::uint8_t* codes) {
  for (std::size_t i = 0; i < 32; ++i) codes[i] = (bytes[i % 16] >> (i / 16 * 4)) & 15U;
}

}  // namespace gyre::stored
