#pragma once

#include "format/blocks/k_scales.hpp"

namespace gyre::blocks {

/// d, m, 12 bytes of 8 scales s and 8 minima n, 128 bytes: d s q - m n. Of each 32 bytes the low halves are one run of
/// 32 numbers and the high halves the next.
struct Q4_K {
  static constexpr std::size_t kNumbers = 256;
  static constexpr std::size_t kBytes = 144;
  static constexpr Scales<2> kScales = {0, 2};

  static void read(const std::uint8_t* block, float* out) {
    const KScales scales = read_k_scales(block);
    const std::uint8_t* quants = block + KScales::kBytes;
    for (std::size_t i = 0; i < kNumbers; ++i) {
      const std::size_t run = i / 32;
      const int quant = (quants[run / 2 * 32 + i % 32] >> (run % 2 * 4)) & 15;
      out[i] = scales.scale[run] * static_cast<float>(quant) - scales.least[run];
    }
  }

  static void write(const float* values, std::uint8_t* block) {
    const std::array<std::uint8_t, kNumbers> codes = fit_k_block(values, 15, block);
    for (std::size_t i = 0; i < kNumbers / 2; ++i) {
      const std::size_t low = i / 32 * 64 + i % 32;
      block[KScales::kBytes + i] = static_cast<std::uint8_t>(codes[low] | (codes[low + 32] << 4));
    }
  }

  static float set(std::uint8_t* block, std::size_t i, float value) {
    const KScales scales = read_k_scales(block);
    const std::size_t run = i / 32;
    const int code = nearest_code(value, scales.scale[run], -scales.least[run], 15);
    put_bits(block[KScales::kBytes + run / 2 * 32 + i % 32], run % 2 * 4, 4, code);
    return scales.scale[run] * static_cast<float>(code) - scales.least[run];
  }
};

}  // namespace gyre::blocks
