#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "model/checkpoint.hpp"

namespace gyre {

/// How the matrices of a written model are stored. Vectors (norms, biases) stay F32, as do matrices whose rows are no
/// whole number of blocks.
struct Storage {
  DType type = DType::bf16;
  std::map<std::string, DType> parts = {};  ///< parts of parts_of() that are stored otherwise
};

/// The type of `type`, and of every "PART=TYPE" of `parts`. Throws Error naming the type or the part.
Storage parse_storage(const std::string& type, std::span<const std::string> parts);

/// Writes `model` in gyre's own terms: a GGUF file when `out` ends in .gguf, else a folder of config.json and
/// model.safetensors (F32, F16 or BF16). Its tokenizer and the tokens that end a text go with it, and into a
/// folder its chat template. Whole or not at all.
/// Throws Error when `out` is there already, when a type does not fit the format, or when there is no such part.
void convert(const Checkpoint& checkpoint, const Storage& storage, const std::filesystem::path& out);

}  // namespace gyre
