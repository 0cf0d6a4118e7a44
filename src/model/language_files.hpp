#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "model/language.hpp"

namespace gyre {

/// Files of a model folder by their paths in it, as texts.
using FolderFiles = std::map<std::string, std::string>;

/// The files that a folder in gyre's own layout needs beside its description and weights, so that load_language and
/// load_chat_template find in it what they find in `model`, a folder or GGUF file of that language: tokenizer.json,
/// generation_config.json with all end tokens, and the chat template with its special tokens where there is one.
FolderFiles language_files(const std::filesystem::path& model, const Language& language);

/// The same for a new model, which has a tokenizer alone.
FolderFiles language_files(const Tokenizer& tokenizer);

/// Writes them below `folder`, which is there.
void write_files(const std::filesystem::path& folder, const FolderFiles& files);

}  // namespace gyre
