#include "format/block_formats.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/error.hpp"
#include "base/half.hpp"

namespace gyre {
namespace {

constexpr std::size_t kSmall = 32;
constexpr std::size_t kLarge = 256;

float half_at(const std::uint8_t* bytes) {
  std::uint16_t half = 0;
  std::memcpy(&half, bytes, sizeof half);
  return from_f16(half);
}

void put_half(std::uint16_t half, std::uint8_t* bytes) { std::memcpy(bytes, &half, sizeof half); }

float as_signed(std::uint8_t byte) { return static_cast<float>(static_cast<std::int8_t>(byte)); }

void read_q8_0(const std::uint8_t* block, float* out) {
  const float scale = half_at(block);
  for (std::size_t i = 0; i < kSmall; ++i) out[i] = scale * as_signed(block[2 + i]);
}

/// The low halves of the bytes are the first 16 numbers, the high halves the other 16.
void read_q4_0(const std::uint8_t* block, float* out) {
  const float scale = half_at(block);
  for (std::size_t i = 0; i < kSmall / 2; ++i) {
    out[i] = scale * static_cast<float>((block[2 + i] & 15) - 8);
    out[i + kSmall / 2] = scale * static_cast<float>((block[2 + i] >> 4) - 8);
  }
}

void read_q4_1(const std::uint8_t* block, float* out) {
  const float scale = half_at(block);
  const float least = half_at(block + 2);
  for (std::size_t i = 0; i < kSmall / 2; ++i) {
    out[i] = scale * static_cast<float>(block[4 + i] & 15) + least;
    out[i + kSmall / 2] = scale * static_cast<float>(block[4 + i] >> 4) + least;
  }
}

/// What q4_k and q5_k begin with, unpacked: a scale and a minimum for each 32 of the 256 numbers.
struct SubBlockScales {
  static constexpr std::size_t kCount = kLarge / kSmall;
  static constexpr std::size_t kBytes = 16;
  std::array<float, kCount> scale;
  std::array<float, kCount> least;
};

/// Two halves, then 12 bytes: in the first four and the next four the low six bits are scales and minima 0 to 3; the
/// last four hold the low four bits of scales (low half) and minima (high half) 4 to 7, whose upper two bits are the
/// upper two bits of the first eight bytes.
SubBlockScales read_scales(const std::uint8_t* block) {
  const float scale = half_at(block);
  const float least = half_at(block + 2);
  const std::uint8_t* packed = block + 4;
  SubBlockScales out{};
  for (std::size_t i = 0; i < 4; ++i) {
    out.scale[i] = scale * static_cast<float>(packed[i] & 63);
    out.least[i] = least * static_cast<float>(packed[i + 4] & 63);
    out.scale[i + 4] = scale * static_cast<float>((packed[i + 8] & 15) | ((packed[i] >> 6) << 4));
    out.least[i + 4] = least * static_cast<float>((packed[i + 8] >> 4) | ((packed[i + 4] >> 6) << 4));
  }
  return out;
}

/// Of each 32 bytes the low halves are one run of 32 numbers and the high halves the next.
void read_q4_k(const std::uint8_t* block, float* out) {
  const SubBlockScales scales = read_scales(block);
  const std::uint8_t* quants = block + SubBlockScales::kBytes;
  for (std::size_t run = 0; run < SubBlockScales::kCount; ++run) {
    const std::uint8_t* bytes = quants + run / 2 * kSmall;
    const unsigned shift = run % 2 * 4;
    for (std::size_t i = 0; i < kSmall; ++i) {
      out[run * kSmall + i] = scales.scale[run] * static_cast<float>((bytes[i] >> shift) & 15) - scales.least[run];
    }
  }
}

/// As q4_k; bit r of byte i of the 32 upper bytes is the fifth bit of number i of run r.
void read_q5_k(const std::uint8_t* block, float* out) {
  const SubBlockScales scales = read_scales(block);
  const std::uint8_t* upper = block + SubBlockScales::kBytes;
  const std::uint8_t* quants = upper + kSmall;
  for (std::size_t run = 0; run < SubBlockScales::kCount; ++run) {
    const std::uint8_t* bytes = quants + run / 2 * kSmall;
    const unsigned shift = run % 2 * 4;
    for (std::size_t i = 0; i < kSmall; ++i) {
      const int quant = ((bytes[i] >> shift) & 15) | (((upper[i] >> run) & 1) << 4);
      out[run * kSmall + i] = scales.scale[run] * static_cast<float>(quant) - scales.least[run];
    }
  }
}

/// Two halves of 128 numbers, each four runs of 32: runs 0 and 1 in the low halves of 64 bytes, runs 2 and 3 in the
/// high ones; the two upper bits of run r are bits 2r and 2r + 1 of 32 further bytes. A scale serves 16 numbers.
void read_q6_k(const std::uint8_t* block, float* out) {
  const std::uint8_t* upper = block + kLarge / 2;
  const std::uint8_t* scales = upper + kLarge / 4;
  const float scale = half_at(scales + kLarge / 16);
  for (std::size_t i = 0; i < kLarge; ++i) {
    const std::size_t half = i / 128;
    const std::size_t run = i % 128 / 32;
    const int low = block[half * 64 + i % 64] >> (run / 2 * 4);
    const int high = upper[half * 32 + i % 32] >> (run * 2);
    out[i] = scale * as_signed(scales[i / 16]) * static_cast<float>(((low & 15) | ((high & 3) << 4)) - 32);
  }
}

/// Two halves of 128 numbers, each four runs of 32: run r is bits 2r and 2r + 1 of 32 bytes.
void read_tq2_0(const std::uint8_t* block, float* out) {
  const float scale = half_at(block + kLarge / 4);
  for (std::size_t i = 0; i < kLarge; ++i) {
    const int code = (block[i / 128 * kSmall + i % kSmall] >> (i % 128 / kSmall * 2)) & 3;
    out[i] = scale * static_cast<float>(code - 1);
  }
}

/// Numbers below half of the largest magnitude become 0. Meant for weights that have three values already.
void write_tq2_0(const float* values, std::uint8_t* block) {
  float largest = 0;
  for (std::size_t i = 0; i < kLarge; ++i) largest = std::max(largest, std::fabs(values[i]));
  float inverse = largest > 0 ? 1.0F / largest : 0.0F;
  if (!std::isfinite(inverse)) inverse = 0;
  std::fill_n(block, kLarge / 4, std::uint8_t{0});
  for (std::size_t i = 0; i < kLarge; ++i) {
    const auto code = static_cast<unsigned>(static_cast<int>(std::round(values[i] * inverse)) + 1);
    block[i / 128 * kSmall + i % kSmall] |= static_cast<std::uint8_t>(code << (i % 128 / kSmall * 2));
  }
  put_half(to_f16(largest), block + kLarge / 4);
}

/// ggml rounds halves away from zero.
void write_q8_0(const float* values, std::uint8_t* block) {
  float largest = 0;
  for (std::size_t i = 0; i < kSmall; ++i) largest = std::max(largest, std::fabs(values[i]));
  const float scale = largest / 127.0F;
  const float inverse = scale > 0 ? 1.0F / scale : 0.0F;
  put_half(to_f16(scale), block);
  for (std::size_t i = 0; i < kSmall; ++i) {
    // A block of numbers too small for a float's inverse is one of zeros: its scale as a half is 0 in any case.
    const float quant = std::isfinite(inverse) ? std::round(values[i] * inverse) : 0.0F;
    block[2 + i] = static_cast<std::uint8_t>(static_cast<std::int8_t>(quant));
  }
}

/// The number of largest magnitude becomes -8 exactly, so that the scale has the opposite sign of it.
void write_q4_0(const float* values, std::uint8_t* block) {
  float extreme = 0;
  for (std::size_t i = 0; i < kSmall; ++i) {
    if (std::fabs(values[i]) > std::fabs(extreme)) extreme = values[i];
  }
  const float scale = extreme / -8.0F;
  float inverse = scale != 0 ? 1.0F / scale : 0.0F;
  if (!std::isfinite(inverse)) inverse = 0;
  put_half(to_f16(scale), block);
  const auto quant = [&](float value) { return std::min(15, static_cast<int>(value * inverse + 8.5F)); };
  for (std::size_t i = 0; i < kSmall / 2; ++i) {
    block[2 + i] = static_cast<std::uint8_t>(quant(values[i]) | (quant(values[i + kSmall / 2]) << 4));
  }
}

using ReadBlock = void (*)(const std::uint8_t*, float*);

ReadBlock reader_of(DType dtype) {
  switch (dtype) {
    case DType::q8_0:
      return read_q8_0;
    case DType::q4_0:
      return read_q4_0;
    case DType::q4_1:
      return read_q4_1;
    case DType::q4_k:
      return read_q4_k;
    case DType::q5_k:
      return read_q5_k;
    case DType::q6_k:
      return read_q6_k;
    case DType::tq2_0:
      return read_tq2_0;
    default:
      throw Error("{} is not a block format", name_of(dtype));
  }
}

using WriteBlock = void (*)(const float*, std::uint8_t*);

WriteBlock writer_of(DType dtype) {
  switch (dtype) {
    case DType::q8_0:
      return write_q8_0;
    case DType::q4_0:
      return write_q4_0;
    case DType::tq2_0:
      return write_tq2_0;
    default:
      throw Error("numbers cannot be quantized to {}; choose Q8_0, Q4_0 or TQ2_0", name_of(dtype));
  }
}

/// Where the scale d of a block is.
std::size_t scale_place(DType dtype) { return dtype == DType::q6_k || dtype == DType::tq2_0 ? bytes_of(dtype) - 2 : 0; }

}  // namespace

void dequantize(DType dtype, std::span<const std::byte> blocks, std::span<float> out) {
  const ReadBlock read = reader_of(dtype);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(blocks.data());
  const std::size_t count = blocks.size() / bytes_of(dtype);
  for (std::size_t i = 0; i < count; ++i) read(bytes + i * bytes_of(dtype), out.data() + i * block_size(dtype));
}

void quantize(DType dtype, std::span<const float> values, std::span<std::byte> out) {
  const WriteBlock write = writer_of(dtype);
  const std::size_t size = block_size(dtype);
  if (values.size() % size != 0) {
    throw Error("{} numbers are no whole number of {} blocks of {}", values.size(), name_of(dtype), size);
  }
  auto* bytes = reinterpret_cast<std::uint8_t*>(out.data());
  for (std::size_t i = 0; i < values.size() / size; ++i) {
    const std::span<const float> block = values.subspan(i * size, size);
    std::uint8_t* const to = bytes + i * bytes_of(dtype);
    const bool finite = std::all_of(block.begin(), block.end(), [](float value) { return std::isfinite(value); });
    if (finite) write(block.data(), to);
    if (!finite || !std::isfinite(half_at(to + scale_place(dtype)))) {
      throw Error("numbers {} to {} hold one that is not finite or too large for {}", i * size, (i + 1) * size - 1,
                  name_of(dtype));
    }
  }
}

bool finite_scales(DType dtype, std::span<const std::byte> blocks) {
  const bool has_least = dtype == DType::q4_1 || dtype == DType::q4_k || dtype == DType::q5_k;
  const std::size_t at = scale_place(dtype);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(blocks.data());
  bool finite = true;
  for (std::size_t i = 0; i < blocks.size() / bytes_of(dtype); ++i) {
    const std::uint8_t* scales = bytes + i * bytes_of(dtype) + at;
    finite &= (scales[1] & 0x7c) != 0x7c && (!has_least || (scales[3] & 0x7c) != 0x7c);
  }
  return finite;
}

}  // namespace gyre
