#pragma once

#include <algorithm>

#include "format/blocks/bytes.hpp"
#include "format/blocks/k_fit.hpp"

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

/// The same bytes from six-bit scales and minima and the halves they multiply.
inline void write_k_scales(float scale, float least, const std::array<std::uint8_t, KScales::kRuns>& scales,
                           const std::array<std::uint8_t, KScales::kRuns>& minima, std::uint8_t* block) {
  put_half(scale, block);
  put_half(least, block + 2);
  std::uint8_t* const packed = block + 4;
  for (std::size_t i = 0; i < 4; ++i) {
    packed[i] = static_cast<std::uint8_t>(scales[i] | ((scales[i + 4] >> 4) << 6));
    packed[i + 4] = static_cast<std::uint8_t>(minima[i] | ((minima[i + 4] >> 4) << 6));
    packed[i + 8] = static_cast<std::uint8_t>((scales[i + 4] & 15) | ((minima[i + 4] & 15) << 4));
  }
}

/// Fits a block of q4_k or q5_k, whose codes go up to `most`: writes its first bytes and gives the codes.
inline std::array<std::uint8_t, 256> fit_k_block(const float* values, int most, std::uint8_t* block) {
  std::array<FittedRun, KScales::kRuns> runs;
  FittedRun largest;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    runs[r] = fit_run(std::span(values + r * 32, 32), most);
    largest.scale = std::max(largest.scale, runs[r].scale);
    largest.least = std::max(largest.least, runs[r].least);
  }
  constexpr int kMost = 63;
  const auto sixth = [](float part, float whole) {
    return static_cast<std::uint8_t>(whole > 0 ? clamped_round(part / whole * kMost, 0, kMost) : 0);
  };
  std::array<std::uint8_t, KScales::kRuns> scales{};
  std::array<std::uint8_t, KScales::kRuns> minima{};
  for (std::size_t r = 0; r < runs.size(); ++r) {
    scales[r] = sixth(runs[r].scale, largest.scale);
    minima[r] = sixth(runs[r].least, largest.least);
  }
  write_k_scales(largest.scale / kMost, largest.least / kMost, scales, minima, block);
  const KScales rounded = read_k_scales(block);
  std::array<std::uint8_t, 256> codes{};
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const float scale = rounded.scale[i / 32];
    const float moved = values[i] + rounded.least[i / 32];
    codes[i] = static_cast<std::uint8_t>(scale > 0 ? clamped_round(moved / scale, 0, most) : 0);
  }
  return codes;
}

}  // namespace gyre::blocks
