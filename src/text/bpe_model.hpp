#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/merges.hpp"
#include "text/tokenizer_parts.hpp"

namespace gyre {

/// Byte-pair encoding of one word, over bytes (a byte-level vocabulary) or over characters.
class BpeModel {
 public:
  /// `pieces` are the tokens by id with the byte-level alphabet undone; `usable` tells those that text may become.
  BpeModel(const TokenizerParts& parts, const std::vector<std::string>& pieces, const std::vector<bool>& usable);

  /// Whether it makes a difference where words end.
  [[nodiscard]] bool needs_words() const { return !merges_.empty() || ignore_merges_; }
  /// Cuts a word where no merge can cross, before the mark of a space, if the merges allow it: many short words take
  /// less time than a long one, and the tokens are the same.
  void cut(std::string_view word, std::vector<std::string_view>& words) const;
  /// Appends the tokens of `word`. Returns the offset of the first character that no token stands for, or npos.
  std::size_t append(std::string_view word, std::vector<std::int32_t>& tokens) const;

 private:
  struct Symbol {
    std::int32_t id;
    std::size_t length;
  };

  [[nodiscard]] bool may_cut_before_mark(const TokenizerParts& parts) const;
  [[nodiscard]] Symbol symbol_at(std::string_view rest) const;
  [[nodiscard]] bool append_bytes(std::string_view character, std::vector<std::int32_t>& symbols) const;
  std::size_t append_symbols(std::string_view word, std::vector<std::int32_t>& symbols) const;

  bool byte_level_;
  bool ignore_merges_;
  bool fuse_unknown_;
  bool cuts_before_mark_;
  std::optional<std::int32_t> unknown_;
  MergeTable merges_;
  std::array<std::int32_t, 256> id_of_byte_{};                  // byte-level, or the tokens of byte fallback
  std::unordered_map<char32_t, std::int32_t> id_of_character_;  // not byte-level
  IdsOfText id_of_word_;                                        // only to ignore merges
};

}  // namespace gyre
