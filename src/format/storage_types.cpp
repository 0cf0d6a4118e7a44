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

constexpr StorageType plain(DType dtype, std::uint32_t gguf_number, std::string_view name, std::size_t bytes) {
  return {dtype, gguf_number, name, 1, bytes, nullptr, nullptr, nullptr, {}};
}

template <typename Block>
constexpr StorageType block(DType dtype, std::uint32_t gguf_number, std::string_view name) {
  StorageType type{dtype,       gguf_number, name,    Block::kNumbers, Block::kBytes,
                   Block::read, nullptr,     nullptr, Block::kScales};
  if constexpr (requires { Block::write; }) {
    type.write = Block::write;
    type.set = Block::set;
  }
  return type;
}

/// In the order of the enumerators.
constexpr StorageType kTypes[] = {
    plain(DType::f32, 0, "F32", 4),
    plain(DType::f16, 1, "F16", 2),
    plain(DType::bf16, 30, "BF16", 2),
    block<blocks::Q8_0>(DType::q8_0, 8, "Q8_0"),
    block<blocks::Q4_0>(DType::q4_0, 2, "Q4_0"),
    block<blocks::Q4_1>(DType::q4_1, 3, "Q4_1"),
    block<blocks::Q5_0>(DType::q5_0, 6, "Q5_0"),
    block<blocks::Q5_1>(DType::q5_1, 7, "Q5_1"),
    block<blocks::Q2_K>(DType::q2_k, 10, "Q2_K"),
    block<blocks::Q3_K>(DType::q3_k, 11, "Q3_K"),
    block<blocks::Q4_K>(DType::q4_k, 12, "Q4_K"),
    block<blocks::Q5_K>(DType::q5_k, 13, "Q5_K"),
    block<blocks::Q6_K>(DType::q6_k, 14, "Q6_K"),
    block<blocks::IQ4_NL>(DType::iq4_nl, 20, "IQ4_NL"),
    block<blocks::IQ4_XS>(DType::iq4_xs, 23, "IQ4_XS"),
    block<blocks::TQ2_0>(DType::tq2_0, 35, "TQ2_0"),
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

DType parse_storage_type(const std::string& text, const std::string& flag, const std::string& also) {
  for (const StorageType& type : kTypes) {
    if (type.is_written() && lower(type.name) == lower(text)) return type.dtype;
  }
  throw Error("{}: \"{}\" is no type; choose one of {}{}{}", flag, text, written_types(), also.empty() ? "" : ", ",
              also);
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
