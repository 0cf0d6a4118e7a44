#include "format/storage_types.hpp"

#include <algorithm>
#include <cctype>

#include "base/error.hpp"
#include "format/blocks/iq4.hpp"
#include "format/blocks/q2_k.hpp"
#include "format/blocks/q3_k.hpp"
#include "format/blocks/q4_0.hpp"
#include "format/blocks/q4_1.hpp"
#include "format/blocks/q4_k.hpp"
#include "format/blocks/q5.hpp"
#include "format/blocks/q5_k.hpp"
#include "format/blocks/q6_k.hpp"
#include "format/blocks/q8_0.hpp"
#include "format/blocks/tq2_0.hpp"

namespace gyre {
namespace {

constexpr StorageType plain(DType dtype, std::string_view name, std::uint32_t gguf_number, std::size_t bytes) {
  return {dtype, name, gguf_number, 1, bytes, nullptr, nullptr, {}};
}

template <typename Block>
constexpr StorageType block(DType dtype, std::string_view name, std::uint32_t gguf_number) {
  StorageType type{dtype, name, gguf_number, Block::kNumbers, Block::kBytes, Block::read, nullptr, Block::kScales};
  if constexpr (requires { Block::write; }) type.write = Block::write;
  return type;
}

/// In the order of the enumerators.
constexpr StorageType kTypes[] = {
    plain(DType::f32, "F32", 0, 4),
    plain(DType::f16, "F16", 1, 2),
    plain(DType::bf16, "BF16", 30, 2),
    block<blocks::Q8_0>(DType::q8_0, "Q8_0", 8),
    block<blocks::Q4_0>(DType::q4_0, "Q4_0", 2),
    block<blocks::Q4_1>(DType::q4_1, "Q4_1", 3),
    block<blocks::Q5_0>(DType::q5_0, "Q5_0", 6),
    block<blocks::Q5_1>(DType::q5_1, "Q5_1", 7),
    block<blocks::Q2_K>(DType::q2_k, "Q2_K", 10),
    block<blocks::Q3_K>(DType::q3_k, "Q3_K", 11),
    block<blocks::Q4_K>(DType::q4_k, "Q4_K", 12),
    block<blocks::Q5_K>(DType::q5_k, "Q5_K", 13),
    block<blocks::Q6_K>(DType::q6_k, "Q6_K", 14),
    block<blocks::IQ4_NL>(DType::iq4_nl, "IQ4_NL", 20),
    block<blocks::IQ4_XS>(DType::iq4_xs, "IQ4_XS", 23),
    block<blocks::TQ2_0>(DType::tq2_0, "TQ2_0", 35),
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < std::size(kTypes); ++i) {
    if (kTypes[i].dtype != static_cast<DType>(i)) return false;
  }
  return true;
}
static_assert(in_order());

std::string lower(std::string_view name) {
  std::string text(name);
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace

std::span<const StorageType> storage_types() { return kTypes; }

const StorageType& storage_type(DType dtype) { return kTypes[static_cast<std::size_t>(dtype)]; }

const StorageType* storage_type_of_gguf(std::uint32_t number) {
  const auto* const found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                         [&](const StorageType& type) { return type.gguf_number == number; });
  return found == std::end(kTypes) ? nullptr : found;
}

DType parse_storage_type(const std::string& text, const std::string& flag) {
  for (const StorageType& type : kTypes) {
    if (type.is_written() && lower(type.name) == lower(text)) return type.dtype;
  }
  throw Error("{}: \"{}\" is no type; choose one of {}", flag, text, written_types());
}

std::string written_types(bool blocks_alone) {
  std::string names;
  for (const StorageType& type : kTypes) {
    if (!type.is_written() || (blocks_alone && !type.is_block())) continue;
    names += (names.empty() ? "" : ", ") + lower(type.name);
  }
  return names;
}

}  // namespace gyre
