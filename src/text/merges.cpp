#include "text/merges.hpp"

#include <algorithm>
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
    const auto found = table_.entries_.find(pair_key(tokens_[left], tokens_[next_[left]]));
    return found == table_.entries_.end() ? nullptr : &found->second;
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

MergeTable::MergeTable(std::span<const Merge> merges) {
  entries_.reserve(merges.size());
  std::int32_t rank = 0;
  // A pair that is listed twice has its last rank, as in the Python package.
  for (const Merge& merge : merges) entries_[pair_key(merge.left, merge.right)] = {rank++, merge.result};
}

void MergeTable::apply(std::vector<std::int32_t>& tokens) const {
  if (entries_.empty() || tokens.size() < 2) return;
  WordMerger(*this, tokens).run();
}

}  // namespace gyre
