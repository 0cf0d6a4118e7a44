#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/tokenizer_parts.hpp"

namespace gyre {

/// WordPiece encoding of one word: from the left, always the longest piece of the vocabulary; a word that cannot be
/// spelled so, or is too long, is one unknown token.
class WordPieceModel {
 public:
  /// `usable` tells the tokens that text may become; parts.unknown has to be there.
  WordPieceModel(const TokenizerParts& parts, const std::vector<bool>& usable);

  /// Appends the tokens of `word`.
  void append(std::string_view word, std::vector<std::int32_t>& tokens) const;

 private:
  [[nodiscard]] bool append_pieces(std::string_view word, std::vector<std::int32_t>& tokens) const;

  IdsOfText starts_;
  IdsOfText continuations_;  // without their prefix
  std::size_t longest_start_ = 0;
  std::size_t longest_continuation_ = 0;
  std::size_t longest_word_;
  std::int32_t unknown_;
};

}  // namespace gyre
