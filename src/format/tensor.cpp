#include "format/tensor.hpp"

#include <fmt/ranges.h>

#include <bit>
#include <cstring>

#include "base/half.hpp"
#include "format/block_formats.hpp"
#include "format/storage_types.hpp"

namespace gyre {
namespace {

std::uint16_t load_u16(const std::byte* bytes) {
  std::uint16_t value = 0;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

void widen_bytes(DType dtype, std::span<const std::byte> bytes, std::span<float> out) {
  switch (dtype) {
    case DType::f32:
      if (!out.empty()) std::memcpy(out.data(), bytes.data(), out.size_bytes());
      return;
    case DType::bf16:
      for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = std::bit_cast<float>(static_cast<std::uint32_t>(load_u16(bytes.data() + 2 * i)) << 16);
      }
      return;
    case DType::f16:
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = from_f16(load_u16(bytes.data() + 2 * i));
      return;
    default:
      dequantize(dtype, bytes, out);
  }
}

}  // namespace

std::size_t block_size(DType dtype) { return storage_type(dtype).numbers; }

std::size_t bytes_of(DType dtype) { return storage_type(dtype).bytes; }

std::string_view name_of(DType dtype) { return storage_type(dtype).name; }

std::uint64_t byte_size(DType dtype, std::uint64_t elements) {
  const StorageType& type = storage_type(dtype);
  const std::uint64_t blocks = elements / type.numbers + (elements % type.numbers == 0 ? 0 : 1);
  std::uint64_t bytes = 0;
  return __builtin_mul_overflow(blocks, std::uint64_t{type.bytes}, &bytes) ? UINT64_MAX : bytes;
}

std::uint64_t elements_of(std::span<const std::int64_t> shape) {
  std::uint64_t count = 1;
  for (const std::int64_t size : shape) {
    if (__builtin_mul_overflow(count, static_cast<std::uint64_t>(size), &count)) return UINT64_MAX;
  }
  return count;
}

std::string describe_shape(std::span<const std::int64_t> shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

void widen(const TensorView& tensor, std::span<float> out) { widen_bytes(tensor.dtype, tensor.bytes, out); }

void widen_rows(const TensorView& tensor, std::size_t first, std::span<float> out) {
  const std::size_t begin = first * tensor.columns() / block_size(tensor.dtype) * bytes_of(tensor.dtype);
  const std::size_t size = out.size() / block_size(tensor.dtype) * bytes_of(tensor.dtype);
  widen_bytes(tensor.dtype, tensor.bytes.subspan(begin, size), out);
}

std::vector<std::byte> encode(std::span<const float> values, DType dtype) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(byte_size(dtype, values.size())));
  if (dtype == DType::f32) {
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
  }
  if (block_size(dtype) > 1) {
    quantize(dtype, values, bytes);
    return bytes;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t half = dtype == DType::bf16 ? to_bf16(values[i]) : to_f16(values[i]);
    std::memcpy(bytes.data() + i * sizeof half, &half, sizeof half);
  }
  return bytes;
}

bool is_finite(const TensorView& tensor) {
  // Judged by their exponents, so that no conversion is needed; without a branch, so that the loops are vectorised.
  bool finite = true;
  if (tensor.dtype == DType::f32) {
    for (std::size_t at = 0; at < tensor.bytes.size(); at += 4) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, tensor.bytes.data() + at, sizeof bits);
      finite &= (bits & 0x7f800000U) != 0x7f800000U;
    }
    return finite;
  }
  if (block_size(tensor.dtype) > 1) return finite_scales(tensor.dtype, tensor.bytes);
  const std::uint16_t exponent = tensor.dtype == DType::bf16 ? 0x7f80U : 0x7c00U;
  for (std::size_t at = 0; at < tensor.bytes.size(); at += 2) {
    finite &= (load_u16(tensor.bytes.data() + at) & exponent) != exponent;
  }
  return finite;
}

}  // namespace gyre
