#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "model/checkpoint.hpp"
#include "model/compensated_rounding.hpp"
#include "model/mixes.hpp"

namespace gyre {

/// How the matrices of a written model are stored. Vectors (norms, biases) stay F32; what becomes of matrices whose
/// rows are no whole number of blocks is said by fitting().
struct Storage {
  DType type = DType::bf16;
  const Mix* mix = nullptr;                 ///< chooses in place of `type`, where there is one
  std::map<std::string, DType> parts = {};  ///< parts of parts_of() that are stored otherwise
};

/// The type or mix of `type`, and the type of every "PART=TYPE" of `parts`. Throws Error naming the type or the part.
Storage parse_storage(const std::string& type, std::span<const std::string> parts);

/// Writes `model` in gyre's own terms: a GGUF file when `out` ends in .gguf, else a folder of config.json and
/// model.safetensors (F32, F16 or BF16). Its tokenizer and the tokens that end a text go with it, and into a
/// folder its chat template. Whole or not at all.
/// Throws Error when `out` is there already, when a type does not fit the format, or when there is no such part.
/// With a `text`, what it shows of a matrix decides how that is rounded to a type of blocks.
void convert(const Checkpoint& checkpoint, const Storage& storage, const std::filesystem::path& out,
             const RoundingText* text = nullptr);

}  // namespace gyre
