#pragma once

#include "format/blocks/bytes.hpp"

namespace gyre::blocks {

/// What q4_k and q5_k begin with, unpacked: a scale and a minimum for each 32 of the 256 numbers.
struct KScales {
  static constexpr std::size_t kRuns = 8;
  static constexpr std::size_t kBytes = 16;
  std::array<float, kRuns> scale;
  std::array<float, kRuns> least;
};

/// Two halves, then 12 bytes: in the first four and the next four the low six bits are scales and minima 0 to 3; the
/// last four hold the low four bits of scales (low half) and minima (high half) 4 to 7, whose upper two bits are the
/// upper two bits of the first eight bytes.
inline KScales read_k_scales(const std::uint8_t* block) {
  const float scale = half_at(block);
  const float least = half_at(block + 2);
  const std::uint8_t* packed = block + 4;
  KScales out{};
  for (std::size_t i = 0; i < 4; ++i) {
    out.scale[i] = scale * static_cast<float>(packed[i] & 63);
    out.least[i] = least * static_cast<float>(packed[i + 4] & 63);
    out.scale[i + 4] = scale * static_cast<float>((packed[i + 8] & 15) | ((packed[i] >> 6) << 4));
    out.least[i + 4] = least * static_cast<float>((packed[i + 8] >> 4) | ((packed[i + 4] >> 6) << 4));
  }
  return out;
}

}  // namespace gyre::blocks
