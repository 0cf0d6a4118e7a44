#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/flight.hpp"

namespace gyre {

/// Beginnings of texts, kept so that others that begin alike need not run them again. Whole pages of tokens that ran at
/// full depth are kept; sequences that begin alike share their memory. What goes on from one gives the same logits, to
/// the bit, as what ran it itself.
class PrefixCache {
 public:
  /// Keeps beginnings of `most_bytes` of keys and values together; what was used least recently goes first.
  explicit PrefixCache(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  /// A sequence that holds the longest beginning of `tokens` that is known for sequences like `like` (its loops, KV
  /// policy and type, seed and first states), at most all tokens but the last; nothing when there is none.
  [[nodiscard]] std::optional<Sequence> find(const Sequence& like, std::span<const std::int32_t> tokens);
  /// Keeps what `sequence` holds of `tokens`, its first ones. A sequence that cannot be cut is not kept.
  void keep(const Sequence& sequence, std::span<const std::int32_t> tokens);

  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::vector<std::int32_t> tokens;
    Sequence sequence;
    std::vector<std::uint64_t> hashes;  ///< of its beginnings, page by page
  };
  using Entries = std::list<Entry>;

  void forget_oldest();

  std::size_t most_bytes_;
  std::size_t bytes_ = 0;
  Entries entries_;                                              ///< the one used last comes first
  std::unordered_map<std::uint64_t, Entries::iterator> newest_;  ///< who has a beginning of this hash
};

}  // namespace gyre
