#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "text/tokenizer_parts.hpp"

namespace gyre {

/// Reads a Hugging Face tokenizer.json with a BPE or a WordPiece model. Throws Error with the file and the key on
/// anything that is broken, or that would need a feature that is not here.
TokenizerParts read_tokenizer_file(const std::filesystem::path& path);
/// The same from the text of such a file; `where` leads every message.
TokenizerParts parse_tokenizer_file(std::string_view json_text, const std::string& where);

/// The text of a tokenizer.json that the Python package `tokenizers` loads with the same ids.
std::string tokenizer_file_text(const TokenizerParts& parts);

/// Reads a vocab.txt of BERT: one token a line, the line's number is the id. Text is cut as BERT does, in lower case
/// without accents if `lower_case`; [CLS] and [SEP] stand around a text. Throws Error with the file.
TokenizerParts read_word_piece_vocabulary(const std::filesystem::path& path, bool lower_case);

/// BERT's parts around a vocabulary whose tokens are in `parts`: "[UNK]" has to be there; "[CLS]", "[SEP]", "[PAD]" and
/// "[MASK]" become special tokens where they are. Throws Error with `where`.
void add_bert_stages(TokenizerParts& parts, bool lower_case, const std::string& where);

}  // namespace gyre
