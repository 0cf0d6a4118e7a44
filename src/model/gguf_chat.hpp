#pragma once

#include <optional>
#include <string>

#include "format/gguf.hpp"
#include "text/chat_template.hpp"
#include "text/tokenizer.hpp"

namespace gyre {

/// What a GGUF file says of conversations.
struct GgufChat {
  std::string source;                      ///< of the template, in Jinja
  std::optional<std::string> tool_source;  ///< of another for conversations that have tools
  ChatTemplate::Tokens tokens;

  static constexpr const char* kTemplate = "tokenizer.chat_template";
  static constexpr const char* kToolTemplate = "tokenizer.chat_template.tool_use";
};

/// Nothing where the file, whose vocabulary is that of `tokenizer`, has no template.
std::optional<GgufChat> chat_of(const Gguf& file, const Tokenizer& tokenizer);

}  // namespace gyre
