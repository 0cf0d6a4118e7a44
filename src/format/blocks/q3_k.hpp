#pragma once

#include "format/blocks/bytes.hpp"

namespace gyre::blocks {

/// 32 bytes of third bits, 64 bytes, 12 bytes of 16 scales s, d: d (s - 32) (q - 4). Two halves of 128 numbers, each
/// four runs of 32: run r is bits 2r and 2r + 1 of 32 bytes; bit k of third byte i is that of number i of the k-th run.
/// The low four bits of scales 0 to 7 and 8 to 15 are the halves of the first eight bytes; the upper two bits of scale
/// k are bits 2 (k / 4) and up of byte k % 4 of the last four. A scale serves 16 numbers.
struct Q3_K {
  static constexpr std::size_t kNumbers = 256;
  static constexpr std::size_t kBytes = 110;
  static constexpr Scales<1> kScales = {108};

  static void read(const std::uint8_t* block, float* out) {
    const std::uint8_t* quants = block + 32;
    const std::uint8_t* packed = quants + 64;
    const float scale = half_at(block + kScales[0]);
    for (std::size_t i = 0; i < kNumbers; ++i) {
      const std::size_t k = i / 16;
      const int low = (packed[k % 8] >> (k / 8 * 4)) & 15;
      const int high = (packed[8 + k % 4] >> (k / 4 * 2)) & 3;
      const int third = (block[i % 32] >> (i / 32)) & 1;
      const int quant = ((quants[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3) | (third << 2);
      out[i] = scale * static_cast<float>((low | (high << 4)) - 32) * static_cast<float>(quant - 4);
    }
  }
};

}  // namespace gyre::blocks
