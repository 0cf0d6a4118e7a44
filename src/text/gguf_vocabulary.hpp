#pragma once

#include <optional>
#include <string>
#include <vector>

#include "text/tokenizer.hpp"

namespace gyre {

/// The keys tokenizer.ggml.* of a GGUF file.
struct GgufVocabulary {
  std::string model;                ///< "gpt2" (byte-level BPE), "llama" (SentencePiece BPE) or "bert" (WordPiece)
  std::string pre;                  ///< "gpt2": how text is cut into words, such as "smollm" or "qwen2"
  std::vector<std::string> tokens;  ///< by id
  std::vector<float> scores;        ///< "llama": the best score is merged first
  std::vector<int> types;           ///< 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte; or empty
  std::vector<std::string> merges;  ///< "gpt2": two tokens with a space between them
  std::optional<bool> add_bos;      ///< a text begins with the token `bos`; open: as gguf_defaults() has it
  std::optional<bool> add_eos;      ///< and ends with `eos`
  std::optional<bool> add_sep;      ///< "bert": or with `sep`
  bool add_space_prefix = true;     ///< "llama": a text is given a space in front
  bool lower_case = true;           ///< "bert": the vocabulary is of lower case
  int bos = -1;                     ///< -1: none
  int eos = -1;
  int sep = -1;
  int unknown = -1;
};

/// The vocabulary with what llama.cpp takes for granted where a key is missing (src/llama-vocab.cpp): SentencePiece has
/// the ids 1, 2 and 0 for what begins, ends and is unknown, and begins texts; byte-level vocabularies begin them where
/// `pre` is Llama 3's or Tekken; WordPiece begins and ends them. Throws Error with `where` on an unknown `pre`.
GgufVocabulary gguf_defaults(GgufVocabulary vocabulary, const std::string& where);

/// The tokenizer of a GGUF file, with gguf_defaults(). Throws Error with `where` and the key when the vocabulary is
/// broken or of a kind that is not here.
Tokenizer from_gguf_vocabulary(const GgufVocabulary& vocabulary, const std::string& where);

/// The names that the key tokenizer.ggml.pre may have.
std::vector<std::string> gguf_pre_names();

}  // namespace gyre
