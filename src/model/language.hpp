#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "text/chat_template.hpp"
#include "text/tokenizer.hpp"

namespace gyre {

/// What stands between a model's tokens and text.
struct Language {
  Tokenizer tokenizer;
  std::vector<std::int32_t> end_tokens;  ///< a generated text ends before any of these
};

/// Reads tokenizer.json of a model folder, with generation_config.json and config.json for the tokens that end a text,
/// or the vocabulary of a GGUF file.
Language load_language(const std::filesystem::path& model);

/// The chat template of a model folder or GGUF file, whose tokenizer is `tokenizer`. Throws Error when there is none,
/// or one that cannot be read.
ChatTemplate load_chat_template(const std::filesystem::path& model, const Tokenizer& tokenizer);

}  // namespace gyre
