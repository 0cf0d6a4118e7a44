#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "text/added_tokens.hpp"
#include "text/merges.hpp"
#include "text/split_pattern.hpp"

namespace gyre {

/// What a tokenizer.json says, checked: every id from 0 to names.size() - 1 is there once, and merges name known ids.
struct TokenizerParts {
  std::vector<std::string> names;      ///< by id, spelled as in the file
  std::vector<Merge> merges;           ///< in order of precedence
  std::vector<AddedToken> added;       ///< in order of id
  std::vector<SplitPattern> patterns;  ///< applied one after the other
  bool byte_level = false;             ///< names are spelled in the byte-level alphabet
  bool ignore_merges = false;          ///< a word that is in the vocabulary is one token, whatever the merges say
};

/// Reads a Hugging Face tokenizer.json with a BPE model. Throws Error with the file and the key on anything that is
/// broken, or that would need a feature that is not here.
TokenizerParts read_tokenizer_file(const std::filesystem::path& path);

/// The text of a tokenizer.json that the Python package `tokenizers` loads with the same ids.
std::string tokenizer_file_text(const TokenizerParts& parts);

}  // namespace gyre
