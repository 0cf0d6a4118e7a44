#include "model/gguf_chat.hpp"

namespace gyre {

std::optional<GgufChat> chat_of(const Gguf& file, const Tokenizer& tokenizer) {
  if (!file.has(GgufChat::kTemplate)) return std::nullopt;
  GgufChat chat{file.text(GgufChat::kTemplate), std::nullopt, {}};
  if (file.has(GgufChat::kToolTemplate)) chat.tool_source = file.text(GgufChat::kToolTemplate);
  // SentencePiece vocabularies have these tokens in these places unless they say otherwise.
  const bool sentence_piece = file.text("tokenizer.ggml.model", "") == "llama";
  const auto add = [&](const char* name, const char* key, std::int64_t otherwise) {
    const std::string full_key = std::string("tokenizer.ggml.") + key;
    const std::int64_t id = file.integer(full_key, -1, tokenizer.size() - 1, sentence_piece ? otherwise : -1);
    if (id < 0 || id >= tokenizer.size()) return;
    chat.tokens.emplace_back(name, tokenizer.piece(static_cast<std::int32_t>(id)));
  };
  add("bos_token", "bos_token_id", 1);
  add("eos_token", "eos_token_id", 2);
  add("unk_token", "unknown_token_id", 0);
  add("sep_token", "seperator_token_id", -1);  // spelled so in GGUF
  add("pad_token", "padding_token_id", -1);
  add("cls_token", "cls_token_id", -1);
  add("mask_token", "mask_token_id", -1);
  return chat;
}

}  // namespace gyre
