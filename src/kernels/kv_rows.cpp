#include "kernels/kv_rows.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/enum_name.hpp"
#include "base/half.hpp"
#include "kernels/products.hpp"

namespace gyre {
namespace {

constexpr EnumName<KvType> kNames[] = {{KvType::f32, "f32"}, {KvType::bf16, "bf16"}, {KvType::q8_0, "q8_0"}};

void write_codes(std::span<const float> numbers, std::byte* row) {
  std::byte* scales = row + kv_code_bytes(numbers.size());
  for (std::size_t begin = 0; begin < numbers.size(); begin += kKvRun) {
    const std::span<const float> run = numbers.subspan(begin, std::min(kKvRun, numbers.size() - begin));
    float largest = 0;
    for (const float number : run) largest = std::max(largest, std::abs(number));
    const float scale = largest / 127.0F;
    const float inverse = largest < kSmallestRun ? 0.0F : 1.0F / scale;  // no infinity from a subnormal scale
    for (std::size_t i = 0; i < run.size(); ++i) {
      row[begin + i] = static_cast<std::byte>(static_cast<std::int8_t>(std::lround(run[i] * inverse)));
    }
    std::memcpy(scales, &scale, sizeof scale);
    scales += sizeof scale;
  }
}

void read_codes(const std::byte* row, std::span<float> numbers) {
  const std::byte* const scales = row + kv_code_bytes(numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    float scale = 0;
    std::memcpy(&scale, scales + i / kKvRun * sizeof scale, sizeof scale);
    numbers[i] = static_cast<float>(static_cast<std::int8_t>(row[i])) * scale;
  }
}

}  // namespace

KvType parse_kv_type(const std::string& text, const std::string& flag) {
  return parse_enum<KvType>(kNames, text, flag, "type of keys and values");
}

std::string_view name_of(KvType type) { return name_of<KvType>(kNames, type); }

void write_kv_row(KvType type, std::span<const float> numbers, std::byte* row) {
  switch (type) {
    case KvType::f32:
      std::memcpy(row, numbers.data(), numbers.size_bytes());
      return;
    case KvType::bf16:
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        const std::uint16_t half = to_bf16(numbers[i]);
        std::memcpy(row + i * sizeof half, &half, sizeof half);
      }
      return;
    case KvType::q8_0:
      write_codes(numbers, row);
      return;
  }
}

void read_kv_row(KvType type, const std::byte* row, std::span<float> numbers) {
  switch (type) {
    case KvType::f32:
      std::memcpy(numbers.data(), row, numbers.size_bytes());
      return;
    case KvType::bf16:
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        std::uint16_t half = 0;
        std::memcpy(&half, row + i * sizeof half, sizeof half);
        numbers[i] = std::bit_cast<float>(static_cast<std::uint32_t>(half) << 16);
      }
      return;
    case KvType::q8_0:
      read_codes(row, numbers);
      return;
  }
}

}  // namespace gyre
