#pragma once

#include <filesystem>
#include <string>

#include "model/model.hpp"

namespace gyre {

/// How the matrices of a converted model are stored. Vectors (norms, biases) stay F32, as do matrices whose rows are no
/// whole number of blocks.
DType parse_storage(const std::string& text, const std::string& flag);

/// Writes `model` in gyre's own terms: a GGUF file when `out` ends in .gguf, else a folder of config.json and
/// model.safetensors (F32, F16 or BF16). Its tokenizer and the tokens that end a text go with it. Whole or not at all.
/// Throws Error when `out` is there already or the type does not fit the format.
void convert(const Model& model, DType storage, const std::filesystem::path& out);

}  // namespace gyre
