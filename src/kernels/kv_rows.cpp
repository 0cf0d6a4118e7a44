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

/// Where the numbers of a row lie: `stride` elements apart, `place` elements from the beginning. A value is one row
/// (stride 1); keys are kKvPage rows, number by number.
struct Layout {
  std::size_t stride;
  std::size_t place;

  template <typename Element>
  [[nodiscard]] std::size_t at(std::size_t i) const {
    return (i * stride + place) * sizeof(Element);
  }
};
constexpr Layout kRow = {1, 0};

template <typename Element>
void put(std::byte* to, Element element) {
  std::memcpy(to, &element, sizeof element);
}

template <typename Element>
Element get(const std::byte* from) {
  Element element;
  std::memcpy(&element, from, sizeof element);
  return element;
}

void write_codes(std::span<const float> numbers, std::byte* to, const Layout& layout) {
  std::byte* const scales = to + layout.stride * kv_code_bytes(numbers.size());
  for (std::size_t begin = 0; begin < numbers.size(); begin += kKvRun) {
    const std::span<const float> run = numbers.subspan(begin, std::min(kKvRun, numbers.size() - begin));
    float largest = 0;
    for (const float number : run) largest = std::max(largest, std::abs(number));
    const float scale = largest / 127.0F;
    const float inverse = largest < kSmallestRun ? 0.0F : 1.0F / scale;  // no infinity from a subnormal scale
    for (std::size_t i = 0; i < run.size(); ++i) {
      put(to + layout.at<std::int8_t>(begin + i), static_cast<std::int8_t>(std::lround(run[i] * inverse)));
    }
    put(scales + layout.at<float>(begin / kKvRun), scale);
  }
}

void write(KvType type, std::span<const float> numbers, std::byte* to, const Layout& layout) {
  switch (type) {
    case KvType::f32:
      for (std::size_t i = 0; i < numbers.size(); ++i) put(to + layout.at<float>(i), numbers[i]);
      return;
    case KvType::bf16:
      for (std::size_t i = 0; i < numbers.size(); ++i) put(to + layout.at<std::uint16_t>(i), to_bf16(numbers[i]));
      return;
    case KvType::q8_0:
      write_codes(numbers, to, layout);
      return;
  }
}

void read(KvType type, const std::byte* from, const Layout& layout, std::span<float> numbers) {
  const std::byte* const scales = from + layout.stride * kv_code_bytes(numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    switch (type) {
      case KvType::f32:
        numbers[i] = get<float>(from + layout.at<float>(i));
        break;
      case KvType::bf16:
        numbers[i] = std::bit_cast<float>(std::uint32_t{get<std::uint16_t>(from + layout.at<std::uint16_t>(i))} << 16U);
        break;
      case KvType::q8_0:
        numbers[i] = static_cast<float>(get<std::int8_t>(from + layout.at<std::int8_t>(i))) *
                     get<float>(scales + layout.at<float>(i / kKvRun));
        break;
    }
  }
}

/// Copies `count` elements of one place.
template <typename Element>
void copy_place(const std::byte* from, std::byte* to, const Layout& layout, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) put(to + layout.at<Element>(i), get<Element>(from + layout.at<Element>(i)));
}

}  // namespace

KvType parse_kv_type(const std::string& text, const std::string& flag) {
  return parse_enum<KvType>(kNames, text, flag, "type of keys and values");
}

std::string_view name_of(KvType type) { return name_of<KvType>(kNames, type); }

void write_kv_row(KvType type, std::span<const float> numbers, std::byte* row) { write(type, numbers, row, kRow); }

void read_kv_row(KvType type, const std::byte* row, std::span<float> numbers) { read(type, row, kRow, numbers); }

void write_kv_key(KvType type, std::span<const float> numbers, std::byte* keys, std::size_t place) {
  write(type, numbers, keys, {kKvPage, place});
}

void read_kv_key(KvType type, const std::byte* keys, std::size_t place, std::span<float> numbers) {
  read(type, keys, {kKvPage, place}, numbers);
}

void copy_kv_key(KvType type, std::size_t head_size, const std::byte* from, std::byte* to, std::size_t place) {
  const Layout layout{kKvPage, place};
  const std::size_t scales = kKvPage * kv_code_bytes(head_size);
  switch (type) {
    case KvType::f32:
      return copy_place<float>(from, to, layout, head_size);
    case KvType::bf16:
      return copy_place<std::uint16_t>(from, to, layout, head_size);
    case KvType::q8_0:
      copy_place<std::int8_t>(from, to, layout, head_size);
      return copy_place<float>(from + scales, to + scales, layout, (head_size + kKvRun - 1) / kKvRun);
  }
}

}  // namespace gyre
