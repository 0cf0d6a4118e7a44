#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/growth.hpp"

namespace gyre {

/// The table of a SentencePiece model that says what its normalizer makes of characters (precompiled_charsmap): a
/// double-array trie of what is replaced, and the replacements, each ended by a zero byte. Copies share it; one object
/// may serve many threads.
class CharactersMap {
 public:
  /// `base64` is the table as a tokenizer.json holds it. Throws Error with `where` when it is not sound.
  CharactersMap(std::string_view base64, std::string_view where);

  /// `text`, valid UTF-8, as the Python package `tokenizers` makes it: a cluster of characters below six bytes is
  /// replaced as a whole by what the shortest key at its start stands for, any other character by character. Throws
  /// Error when it grows beyond `growth`, or when the table leads out of itself.
  [[nodiscard]] std::string apply(std::string_view text, const Growth& growth) const;

 private:
  struct Table {
    std::vector<std::uint32_t> units;
    std::string replacements;
    std::string where;
  };

  /// What the shortest key that `text` begins with stands for.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view text) const;
  [[nodiscard]] std::uint32_t unit(std::size_t place) const;
  void append_cluster(std::string_view cluster, std::string& made) const;

  std::shared_ptr<const Table> table_;
};

}  // namespace gyre
