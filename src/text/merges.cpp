#include "text/merges.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <queue>
#include <tuple>

namespace gyre {

/// The tokens of one word as a linked list, with a queue of the merges that may come next.
class WordMerger {
 public:
  WordMerger(const MergeTable& table, std::vector<std::int32_t>& tokens)
      : table_(table), tokens_(tokens), previous_(tokens.size()), next_(tokens.size()) {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      previous_[i] = i == 0 ? kEnd : i - 1;
      next_[i] = i + 1 == tokens.size() ? kEnd : i + 1;
    }
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) propose(i);
  }

  void run() {
    while (!queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      // A candidate is stale when an earlier merge took one of its two tokens: the rank at its place has changed.
      const MergeTable::Entry* entry = entry_at(best.position);
      if (entry != nullptr && entry->rank == best.rank) join(best.position, entry->result);
    }
    tokens_.erase(std::remove(tokens_.begin(), tokens_.end(), kGone), tokens_.end());
  }

 private:
  static constexpr std::size_t kEnd = static_cast<std::size_t>(-1);
  static constexpr std::int32_t kGone = -1;

  struct Candidate {
    std::int32_t rank;
    std::size_t position;
    bool operator>(const Candidate& other) const {
      return std::tie(rank, position) > std::tie(other.rank, other.position);
    }
  };

  [[nodiscard]] const MergeTable::Entry* entry_at(std::size_t left) const {
    if (tokens_[left] == kGone || next_[left] == kEnd) return nullptr;
    return table_.find(tokens_[left], tokens_[next_[left]]);
  }

  void propose(std::size_t left) {
    if (const MergeTable::Entry* entry = entry_at(left)) queue_.push({entry->rank, left});
  }

  void join(std::size_t left, std::int32_t result) {
    const std::size_t right = next_[left];
    tokens_[left] = result;
    tokens_[right] = kGone;
    next_[left] = next_[right];
    if (next_[left] != kEnd) previous_[next_[left]] = left;
    propose(left);
    if (previous_[left] != kEnd) propose(previous_[left]);
  }

  const MergeTable& table_;
  std::vector<std::int32_t>& tokens_;
  std::vector<std::size_t> previous_;
  std::vector<std::size_t> next_;
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue_;
};

namespace {

/// Longer words are merged with a queue; for shorter ones looking at every pair again costs less than keeping one.
constexpr std::size_t kLongestShortWord = 32;
constexpr std::uint64_t kFreeSlot = ~std::uint64_t{0};

}  // namespace

MergeTable::MergeTable(std::span<const Merge> merges, std::span<const std::int32_t> ranks) {
  slots_.assign(std::bit_ceil(2 * merges.size() + 1), Entry{kFreeSlot, 0, 0});
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const std::uint64_t key = pair_key(merges[i].left, merges[i].right);
    Entry& entry = slots_[slot_of(key)];
    if (entry.key == kFreeSlot) ++size_;
    // A pair that is listed twice has its last rank, as in the Python package.
    entry = {key, ranks.empty() ? static_cast<std::int32_t>(i) : ranks[i], merges[i].result};
  }
}

std::size_t MergeTable::slot_of(std::uint64_t key) const {
  const std::size_t mask = slots_.size() - 1;
  constexpr std::uint64_t kGoldenRatio = 0x9E3779B97F4A7C15U;
  std::size_t slot = static_cast<std::size_t>((key * kGoldenRatio) >> 32U) & mask;
  while (slots_[slot].key != key && slots_[slot].key != kFreeSlot) slot = (slot + 1) & mask;
  return slot;
}

const MergeTable::Entry* MergeTable::find(std::int32_t left, std::int32_t right) const {
  const Entry& entry = slots_[slot_of(pair_key(left, right))];
  return entry.key == kFreeSlot ? nullptr : &entry;
}

void MergeTable::apply_to_short(std::vector<std::int32_t>& tokens) const {
  std::array<const Entry*, kLongestShortWord> pairs{};  // pairs[i]: the merge of tokens i and i + 1, if there is one
  std::size_t size = tokens.size();
  for (std::size_t i = 0; i + 1 < size; ++i) pairs[i] = find(tokens[i], tokens[i + 1]);
  while (size > 1) {
    std::size_t best = size;
    for (std::size_t i = 0; i + 1 < size; ++i) {
      if (pairs[i] != nullptr && (best == size || pairs[i]->rank < pairs[best]->rank)) best = i;
    }
    if (best == size) break;
    tokens[best] = pairs[best]->result;
    for (std::size_t i = best + 1; i + 1 < size; ++i) {
      tokens[i] = tokens[i + 1];
      pairs[i] = pairs[i + 1];
    }
    --size;
    if (best + 1 < size) pairs[best] = find(tokens[best], tokens[best + 1]);
    if (best > 0) pairs[best - 1] = find(tokens[best - 1], tokens[best]);
  }
  tokens.resize(size);
}

void MergeTable::apply(std::vector<std::int32_t>& tokens) const {
  if (empty() || tokens.size() < 2) return;
  if (tokens.size() <= kLongestShortWord) {
    apply_to_short(tokens);
  } else {
    WordMerger(*this, tokens).run();
  }
}

}  // namespace gyre
