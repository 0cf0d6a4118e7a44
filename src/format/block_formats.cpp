#include "format/block_formats.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/error.hpp"
#include "format/storage_types.hpp"

namespace gyre {
namespace {

const StorageType& block_type(DType dtype) {
  const StorageType& type = storage_type(dtype);
  if (!type.is_block()) throw Error("{} is not a block format", type.name);
  return type;
}

/// Whether a half is neither infinite nor NaN; `bytes` are its two.
bool is_finite_half(const std::uint8_t* bytes) { return (bytes[1] & 0x7c) != 0x7c; }

bool finite_scales(const StorageType& type, const std::uint8_t* block) {
  bool finite = true;
  for (const std::size_t at : type.scales) finite &= is_finite_half(block + at);
  return finite;
}

}  // namespace

void dequantize(DType dtype, std::span<const std::byte> blocks, std::span<float> out) {
  const StorageType& type = block_type(dtype);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(blocks.data());
  const std::size_t count = blocks.size() / type.bytes;
  for (std::size_t i = 0; i < count; ++i) type.read(bytes + i * type.bytes, out.data() + i * type.numbers);
}

void quantize(DType dtype, std::span<const float> values, std::span<std::byte> out) {
  const StorageType& type = storage_type(dtype);
  if (type.write == nullptr) {
    throw Error("numbers cannot be quantized to {}; choose one of {}", type.name, written_types(true));
  }
  if (values.size() % type.numbers != 0) {
    throw Error("{} numbers are no whole number of {} blocks of {}", values.size(), type.name, type.numbers);
  }
  auto* bytes = reinterpret_cast<std::uint8_t*>(out.data());
  for (std::size_t i = 0; i < values.size() / type.numbers; ++i) {
    const std::span<const float> block = values.subspan(i * type.numbers, type.numbers);
    std::uint8_t* const to = bytes + i * type.bytes;
    const bool finite = std::all_of(block.begin(), block.end(), [](float value) { return std::isfinite(value); });
    if (finite) type.write(block.data(), to);
    if (!finite || !finite_scales(type, to)) {
      throw Error("numbers {} to {} hold one that is not finite or too large for {}", i * type.numbers,
                  (i + 1) * type.numbers - 1, type.name);
    }
  }
}

bool finite_scales(DType dtype, std::span<const std::byte> blocks) {
  const StorageType& type = block_type(dtype);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(blocks.data());
  bool finite = true;
  for (std::size_t i = 0; i < blocks.size() / type.bytes; ++i) finite &= finite_scales(type, bytes + i * type.bytes);
  return finite;
}

}  // namespace gyre
