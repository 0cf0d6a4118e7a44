#pragma once

#include "format/blocks/k_scales.hpp"

namespace gyre::blocks {

/// As q4_k, with 32 bytes of fifth bits before the 128: bit r of byte i is that of number i of run r.
struct Q5_K {
  static constexpr std::size_t kNumbers = 256;
  static constexpr std::size_t kBytes = 176;
  static constexpr Scales<2> kScales = {0, 2};

  static void read(const std::uint8_t* block, float* out) {
    const KScales scales = read_k_scales(block);
    const std::uint8_t* upper = block + KScales::kBytes;
    const std::uint8_t* quants = upper + 32;
    for (std::size_t i = 0; i < kNumbers; ++i) {
      const std::size_t run = i / 32;
      const int low = (quants[run / 2 * 32 + i % 32] >> (run % 2 * 4)) & 15;
      const int quant = low | (((upper[i % 32] >> run) & 1) << 4);
      out[i] = scales.scale[run] * static_cast<float>(quant) - scales.least[run];
    }
  }

  static void write(const float* values, std::uint8_t* block) {
    const std::array<std::uint8_t, kNumbers> codes = fit_k_block(values, 31, block);
    std::uint8_t* const upper = block + KScales::kBytes;
    std::fill_n(upper, 32, std::uint8_t{0});
    for (std::size_t i = 0; i < kNumbers; ++i) upper[i % 32] |= static_cast<std::uint8_t>((codes[i] >> 4) << (i / 32));
    for (std::size_t i = 0; i < kNumbers / 2; ++i) {
      const std::size_t low = i / 32 * 64 + i % 32;
      upper[32 + i] = static_cast<std::uint8_t>((codes[low] & 15) | ((codes[low + 32] & 15) << 4));
    }
  }

  static float set(std::uint8_t* block, std::size_t i, float value) {
    const KScales scales = read_k_scales(block);
    const std::size_t run = i / 32;
    const int code = nearest_code(value, scales.scale[run], -scales.least[run], 31);
    std::uint8_t* const upper = block + KScales::kBytes;
    put_bits(upper[i % 32], run, 1, code >> 4);
    put_bits(upper[32 + run / 2 * 32 + i % 32], run % 2 * 4, 4, code & 15);
    return scales.scale[run] * static_cast<float>(code) - scales.least[run];
  }
};

}  // namespace gyre::blocks
