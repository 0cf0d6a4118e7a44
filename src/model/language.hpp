#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "text/tokenizer.hpp"

namespace gyre {

class ChatTemplate;  // text/chat_template.hpp

/// What stands between a model's tokens and text.
struct Language {
  Tokenizer tokenizer;
  std::vector<std::int32_t> end_tokens;  ///< a generated text ends before any of these
};

/// Reads the tokenizer of a model folder, or the vocabulary of a GGUF file. What begins a text: tokenizer.json, or
/// tokenizer_config.json where that overrides it (text/tokenizer_config.hpp); the keys of a GGUF file, or else the
/// rules of llama.cpp (text/gguf_vocabulary.hpp). What ends one, all of them: eos_token_id of generation_config.json
/// and config.json, eos_token of tokenizer_config.json, the eos, eot, eom and fim keys of a GGUF file; tokens that end
/// turns by their names; the token that the chat template puts behind an answer.
Language load_language(const std::filesystem::path& model_path);

/// The chat template of a model folder or GGUF file, whose tokenizer is `tokenizer`. Throws Error when there is none,
/// or one that cannot be read.
ChatTemplate load_chat_template(const std::filesystem::path& model, const Tokenizer& tokenizer);

}  // namespace gyre
