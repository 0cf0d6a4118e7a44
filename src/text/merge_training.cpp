#include "text/merge_training.hpp"

#include <array>
#include <cstddef>
#include <queue>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace gyre {
namespace {

struct Word {
  std::vector<std::int32_t> tokens;
  std::int64_t count;
};

struct Pair {
  std::int64_t count = 0;
  std::vector<std::size_t> words;  // where it may occur; may repeat a word or name one that has lost the pair
};

struct Candidate {
  std::int64_t count;
  std::uint64_t key;
  bool operator<(const Candidate& other) const { return count != other.count ? count < other.count : key > other.key; }
};

std::int32_t left_of(std::uint64_t key) { return static_cast<std::int32_t>(key >> 32U); }
std::int32_t right_of(std::uint64_t key) { return static_cast<std::int32_t>(key & 0xFFFFFFFFU); }

/// Keeps the count of every pair up to date while pairs are merged one after the other, touching only the words that
/// hold the pair.
class MergeTrainer {
 public:
  MergeTrainer(std::span<const std::string_view> words, std::span<const std::uint8_t> alphabet) {
    std::array<std::int32_t, 256> id_of_byte{};
    for (const std::uint8_t byte : alphabet) {
      id_of_byte[byte] = static_cast<std::int32_t>(trained_.pieces.size());
      add_piece(std::string(1, static_cast<char>(byte)));
    }
    count_words(words, id_of_byte);
    count_pairs();
  }

  TrainedMerges run(std::size_t vocab_size) {
    while (trained_.pieces.size() < vocab_size && !queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      const std::int64_t count = pairs_[best.key].count;
      if (count == best.count) {
        merge(best.key);
      } else if (count > 0) {
        queue_.push({count, best.key});  // merges elsewhere have lowered the count since it was queued
      }
    }
    return std::move(trained_);
  }

 private:
  /// The id of `piece`; two pairs of tokens may spell the same piece, which then keeps one id.
  std::int32_t add_piece(const std::string& piece) {
    const auto [found, is_new] = ids_.try_emplace(piece, static_cast<std::int32_t>(trained_.pieces.size()));
    if (is_new) trained_.pieces.push_back(piece);
    return found->second;
  }

  void count_words(std::span<const std::string_view> words, const std::array<std::int32_t, 256>& id_of_byte) {
    std::unordered_map<std::string_view, std::size_t> index_of_word;
    for (const std::string_view word : words) {
      const auto [found, is_new] = index_of_word.try_emplace(word, words_.size());
      if (is_new) {
        Word fresh{{}, 0};
        for (const char byte : word) fresh.tokens.push_back(id_of_byte[static_cast<std::uint8_t>(byte)]);
        words_.push_back(std::move(fresh));
      }
      ++words_[found->second].count;
    }
  }

  void count_pairs() {
    for (std::size_t w = 0; w < words_.size(); ++w) {
      const std::vector<std::int32_t>& tokens = words_[w].tokens;
      for (std::size_t i = 1; i < tokens.size(); ++i) add_count(tokens[i - 1], tokens[i], w);
    }
    for (const auto& [key, pair] : pairs_) queue_.push({pair.count, key});
  }

  void add_count(std::int32_t left, std::int32_t right, std::size_t word) {
    Pair& pair = pairs_[pair_key(left, right)];
    pair.count += words_[word].count;
    if (pair.words.empty() || pair.words.back() != word) pair.words.push_back(word);
  }

  void drop_count(std::int32_t left, std::int32_t right, std::size_t word) {
    pairs_[pair_key(left, right)].count -= words_[word].count;
  }

  void merge(std::uint64_t key) {
    const std::int32_t left = left_of(key);
    const std::int32_t right = right_of(key);
    const auto piece_of = [&](std::int32_t id) { return trained_.pieces[static_cast<std::size_t>(id)]; };
    const Merge merge{left, right, add_piece(piece_of(left) + piece_of(right))};
    trained_.merges.push_back(merge);
    raised_.clear();
    for (const std::size_t word : std::exchange(pairs_[key].words, {})) merge_in_word(merge, word);
    pairs_[key].count = 0;
    for (const std::uint64_t pair : raised_) queue_.push({pairs_[pair].count, pair});
  }

  void merge_in_word(const Merge& merge, std::size_t word) {
    std::vector<std::int32_t>& tokens = words_[word].tokens;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const bool here = i + 1 < tokens.size() && tokens[i] == merge.left && tokens[i + 1] == merge.right;
      if (!here) {
        tokens[kept++] = tokens[i];
        continue;
      }
      if (kept > 0) {
        drop_count(tokens[kept - 1], merge.left, word);
        raise_count(tokens[kept - 1], merge.result, word);
      }
      if (i + 2 < tokens.size()) {
        drop_count(merge.right, tokens[i + 2], word);
        raise_count(merge.result, tokens[i + 2], word);
      }
      tokens[kept++] = merge.result;
      ++i;
    }
    tokens.resize(kept);
  }

  void raise_count(std::int32_t left, std::int32_t right, std::size_t word) {
    add_count(left, right, word);
    raised_.insert(pair_key(left, right));
  }

  TrainedMerges trained_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::vector<Word> words_;
  std::unordered_map<std::uint64_t, Pair> pairs_;
  std::priority_queue<Candidate> queue_;
  std::unordered_set<std::uint64_t> raised_;
};

}  // namespace

TrainedMerges train_merges(std::span<const std::string_view> words, std::span<const std::uint8_t> alphabet,
                           std::size_t vocab_size) {
  return MergeTrainer(words, alphabet).run(vocab_size);
}

}  // namespace gyre
