#pragma once

#include <filesystem>

#include "text/tokenizer.hpp"

namespace gyre {

/// The tokenizer of a model folder with the tokens around a text that tokenizer_config.json asks for. The package
/// transformers (4.57) lets add_bos_token and add_eos_token override the post_processor of tokenizer.json where
/// tokenizer_class is that of Llama, CodeLlama, Gemma, Cohere or GPT-NeoX, and reads neither for any other class.
/// Throws Error with the file when a token that is to be added is not there.
Tokenizer with_configured_surrounding(Tokenizer tokenizer, const std::filesystem::path& folder);

}  // namespace gyre
