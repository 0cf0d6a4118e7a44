#pragma once

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
  bool add_bos = false;             ///< a text begins with the token `bos`
  bool add_space_prefix = true;     ///< "llama": a text is given a space in front
  int bos = -1;                     ///< -1: none
  int eos = -1;
  int unknown = -1;
};

/// The tokenizer of a GGUF file. Throws Error with `where` and the key when the vocabulary is broken or of a kind that
/// is not here.
Tokenizer from_gguf_vocabulary(const GgufVocabulary& vocabulary, const std::string& where);

/// The names that the key tokenizer.ggml.pre may have.
std::vector<std::string> gguf_pre_names();

}  // namespace gyre
