#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
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
  /// `ranks` says the precedence of each merge (a lower rank first); without it the merges are in order.
  explicit MergeTable(std::span<const Merge> merges, std::span<const std::int32_t> ranks = {});

  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// Merges `tokens` in place: always the pair of the lowest rank, and of equals the leftmost, until none is left.
  /// The time is O(n log n).
  void apply(std::vector<std::int32_t>& tokens) const;

 private:
  struct Entry {
    std::uint64_t key;
    std::int32_t rank;
    std::int32_t result;
  };
  friend class WordMerger;

  [[nodiscard]] std::size_t slot_of(std::uint64_t key) const;
  [[nodiscard]] const Entry* find(std::int32_t left, std::int32_t right) const;
  void apply_to_short(std::vector<std::int32_t>& tokens) const;

  /// Open addressing over a power of two of slots: looking up pairs is most of the time of encoding.
  std::vector<Entry> slots_;
  std::size_t size_ = 0;
};

}  // namespace gyre
