#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "format/tensor.hpp"

namespace gyre {

/// One way of storing numbers. A new one is a file in blocks/ and a row of the table in storage_types.cpp.
struct StorageType {
  DType dtype = DType::f32;
  std::uint32_t gguf_number = 0;  ///< of the type in GGUF files
  std::string_view name;          ///< in safetensors, GGUF and messages
  std::size_t numbers = 1;        ///< of a block; 1: the numbers stand by themselves
  std::size_t bytes = 0;          ///< of a block
  /// Of block formats: one block to numbers, and back; null where gyre only reads the type.
  void (*read)(const std::uint8_t* block, float* out) = nullptr;
  void (*write)(const float* values, std::uint8_t* block) = nullptr;
  /// Rounds one number of a block by the scales that stand in it, and gives what it reads as; null as `write` is.
  float (*set)(std::uint8_t* block, std::size_t index, float value) = nullptr;
  std::span<const std::size_t> scales;  ///< where in a block lie the halves that must be finite

  [[nodiscard]] bool is_block() const { return numbers > 1; }
  /// Whether numbers can be rounded to it.
  [[nodiscard]] bool is_written() const { return !is_block() || write != nullptr; }
};

/// All of them, in the order of the enumerators.
std::span<const StorageType> storage_types();
const StorageType& storage_type(DType dtype);
/// Null where GGUF's number is of a type that is not read.
const StorageType* storage_type_of_gguf(std::uint32_t number);
/// "q4_0": the type of that name, in capitals or not, among those that are written. Throws Error naming `flag` and all
/// of them, and what else the flag takes.
DType parse_storage_type(const std::string& text, const std::string& flag, const std::string& also = {});
/// "f32, f16, …": the names that parse_storage_type takes, for help; those of block formats alone where asked.
std::string written_types(bool blocks_alone = false);

}  // namespace gyre
