#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer_parts.hpp"

namespace gyre {

/// Unigram encoding of one word: of all ways to cut it into pieces, the one whose scores have the highest sum
/// (Viterbi's search; the first found of several that are equal). A character that is no piece costs ten more than the
/// worst one, and neighbours of that kind are taken together: they become the tokens of their bytes, or one unknown
/// token.
class UnigramModel {
 public:
  /// `usable` tells the tokens that text may become.
  UnigramModel(const TokenizerParts& parts, const std::vector<bool>& usable);

  /// Appends the tokens of `word`, which must be valid UTF-8. Returns the offset of the first character that no token
  /// stands for, or npos.
  std::size_t append(std::string_view word, std::vector<std::int32_t>& tokens) const;

 private:
  struct Piece {
    std::string text;
    std::int32_t id;
    double score;
  };
  /// The best way to the end of a stretch: its score, where its last piece begins, and which that is.
  struct Step {
    double score = 0;
    std::size_t begin = 0;
    std::int32_t id = kUnreached;
  };
  static constexpr std::int32_t kUnreached = -1;

  /// Offers the pieces that begin at `begin` to the ends they reach; tells whether one is the character there.
  bool offer_pieces(std::string_view word, std::size_t begin, std::size_t character, std::vector<Step>& steps) const;
  void append_stretch(std::string_view stretch, std::vector<std::int32_t>& tokens) const;
  [[nodiscard]] std::optional<std::int32_t> id_of(std::string_view text) const;

  std::vector<Piece> pieces_;                   // in order of their bytes
  std::array<std::size_t, 257> first_{};        // of the pieces, by their first byte
  std::array<std::int32_t, 256> id_of_byte_{};  // of byte fallback, or kUnreached
  double worst_score_ = 0;
  std::optional<std::int32_t> unknown_;
};

}  // namespace gyre
