#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace gyre {

/// One step of byte-pair encoding: `left` followed by `right` becomes `result`.
struct Merge {
  std::int32_t left;
  std::int32_t right;
  std::int32_t result;
};

/// Two neighbouring tokens as one number, ordered by the left token and then by the right one.
constexpr std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (std::uint64_t{static_cast<std::uint32_t>(left)} << 32U) | static_cast<std::uint32_t>(right);
}

/// The merges of a vocabulary, in order of precedence.
class MergeTable {
 public:
  explicit MergeTable(std::span<const Merge> merges);

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  /// Merges `tokens` in place: always the pair of the lowest rank, and of equals the leftmost, until none is left.
  /// The time is O(n log n).
  void apply(std::vector<std::int32_t>& tokens) const;

 private:
  struct Entry {
    std::int32_t rank;
    std::int32_t result;
  };
  friend class WordMerger;

  std::unordered_map<std::uint64_t, Entry> entries_;
};

}  // namespace gyre
