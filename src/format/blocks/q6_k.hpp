#pragma once

#include "format/blocks/bytes.hpp"
#include "format/blocks/k_fit.hpp"

namespace gyre::blocks {

/// 128 bytes, 64 bytes of upper bits, 16 signed scales s, d: d s (q - 32). Two halves of 128 numbers, each four runs of
/// 32: runs 0 and 1 in the low halves of 64 bytes, runs 2 and 3 in the high ones; the two upper bits of run r are bits
/// 2r and 2r + 1 of 32 further bytes. A scale serves 16 numbers.
struct Q6_K {
  static constexpr std::size_t kNumbers = 256;
  static constexpr std::size_t kBytes = 210;
  static constexpr Scales<1> kScales = {208};

  static void read(const std::uint8_t* block, float* out) {
    const std::uint8_t* upper = block + 128;
    const std::uint8_t* scales = upper + 64;
    const float scale = half_at(scales + 16);
    for (std::size_t i = 0; i < kNumbers; ++i) {
      const std::size_t half = i / 128;
      const std::size_t run = i % 128 / 32;
      const int low = block[half * 64 + i % 64] >> (run / 2 * 4);
      const int high = upper[half * 32 + i % 32] >> (run * 2);
      out[i] = scale * as_signed(scales[i / 16]) * static_cast<float>(((low & 15) | ((high & 3) << 4)) - 32);
    }
  }

  /// The scale of largest magnitude becomes -128.
  static void write(const float* values, std::uint8_t* block) {
    std::array<float, kNumbers / 16> fitted{};
    float extreme = 0;
    for (std::size_t r = 0; r < fitted.size(); ++r) {
      fitted[r] = fit_scale(std::span(values + r * 16, 16), 32);
      if (std::fabs(fitted[r]) > std::fabs(extreme)) extreme = fitted[r];
    }
    std::fill_n(block, kBytes, std::uint8_t{0});
    std::uint8_t* const scales = block + 192;
    put_half(extreme / -128.0F, scales + 16);
    const float scale = half_at(scales + 16);
    if (scale == 0) return;
    for (std::size_t i = 0; i < kNumbers; ++i) {
      const int whole = clamped_round(fitted[i / 16] / scale, -128, 127);
      scales[i / 16] = static_cast<std::uint8_t>(whole);
      const int code = whole == 0 ? 32 : clamped_round(values[i] / (scale * static_cast<float>(whole)), -32, 31) + 32;
      put_code(block, i, code);
    }
  }

  static float set(std::uint8_t* block, std::size_t i, float value) {
    const float scale = half_at(block + 208) * as_signed(block[192 + i / 16]);
    const int code = nearest_code(value, scale, -32 * scale, 63);
    put_code(block, i, code);
    return scale * static_cast<float>(code - 32);
  }

  static void put_code(std::uint8_t* block, std::size_t i, int code) {
    const std::size_t half = i / 128;
    const std::size_t run = i % 128 / 32;
    put_bits(block[half * 64 + i % 64], run / 2 * 4, 4, code & 15);
    put_bits(block[128 + half * 32 + i % 32], run * 2, 2, code >> 4);
  }
};

}  // namespace gyre::blocks
