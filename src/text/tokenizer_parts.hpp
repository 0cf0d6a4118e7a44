#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/added_tokens.hpp"
#include "text/merges.hpp"
#include "text/normalizer.hpp"
#include "text/post_processor.hpp"
#include "text/pre_tokenizer.hpp"
#include "text/token_decoder.hpp"

namespace gyre {

/// Hashes text of any kind, so that a map of strings can be asked with a view.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
using IdsOfText = std::unordered_map<std::string, std::int32_t, TextHash, std::equal_to<>>;

/// The parts of a tokenizer.json around its model, as JSON text.
struct TokenizerStages {
  std::string normalizer = "null";
  std::string pre_tokenizer = "null";
  std::string post_processor = "null";
  std::string decoder = R"({"type": "Fuse"})";
};

enum class TokenizerModel { bpe, word_piece, unigram };

/// What a tokenizer is made of: every id from 0 to names.size() - 1 that is no hole is there once, and merges name
/// known ids.
struct TokenizerParts {
  TokenizerModel model = TokenizerModel::bpe;
  std::vector<std::string> names;       ///< by id, spelled as in the file
  std::vector<std::int32_t> holes;      ///< ids that no token has, in order
  std::vector<AddedToken> added;        ///< in order of id
  std::optional<std::int32_t> unknown;  ///< stands for what the vocabulary cannot spell
  std::vector<Merge> merges;            ///< BPE: in order of precedence
  std::vector<std::int32_t> ranks;      ///< BPE: precedence of each merge where some have the same; or empty
  bool ignore_merges = false;           ///< BPE: a word of the vocabulary is one token, whatever the merges say
  std::vector<double> scores;           ///< Unigram: by id, of what is in its vocabulary
  bool byte_fallback = false;  ///< BPE, Unigram: unknown characters become the tokens <0x00> to <0xFF> of their bytes
  bool fuse_unknown = false;   ///< BPE: neighbouring unknown characters become one token
  std::string continuing_prefix = "##";  ///< WordPiece: in front of a piece that does not begin a word
  int longest_word = 100;                ///< WordPiece: characters; longer words are unknown
  TokenizerStages stages;                ///< what the next four were read from
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  SurroundingTokens surrounding;
  TokenDecoder decoder;
};

/// Reads `stages` into the four parts after it. Throws Error with `where` when they are broken, need something that is
/// not here, or do not fit together.
void read_stages(TokenizerParts& parts, const std::string& where);

}  // namespace gyre
