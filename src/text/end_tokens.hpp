#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "text/chat_template.hpp"
#include "text/tokenizer.hpp"

namespace gyre {

/// Whether a token of that name ends a turn or a text in whatever vocabulary it stands: "<|im_end|>", "</s>".
bool names_end_token(std::string_view name);

/// The tokens that end a turn or a text by their names, in order of id, as llama.cpp finds them
/// (github.com/ggml-org/llama.cpp, src/llama-vocab.cpp).
std::vector<std::int32_t> end_tokens_by_name(const Tokenizer& tokenizer);

/// The added token that the template puts behind what the assistant says; nothing when it puts none, or when it does
/// not write a conversation of a user and an assistant.
std::optional<std::int32_t> end_token_of(const ChatTemplate& chat, const Tokenizer& tokenizer);

}  // namespace gyre
