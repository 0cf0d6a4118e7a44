#include "engine/prefix_cache.hpp"

#include <algorithm>
#include <utility>

#include "base/random.hpp"

namespace gyre {
namespace {

/// Whether the same tokens give the same keys and values in both.
bool alike(const Sequence& a, const Sequence& b) {
  return a.cache.loops() == b.cache.loops() && a.cache.policy() == b.cache.policy() &&
         a.cache.rotary_length() == b.cache.rotary_length() && a.noise_seed == b.noise_seed && a.start == b.start &&
         a.test_noise == b.test_noise && a.whole_prompt == b.whole_prompt;
}

/// Whether its tokens can be taken back one by one, each as it would be without those behind it.
bool divisible(const Sequence& sequence) {
  return sequence.start != NoiseStart::previous && !sequence.whole_prompt &&
         sequence.cache.policy().slots == KvPolicy::Slots::loop;
}

/// Of the first page, the first two, and so on.
std::vector<std::uint64_t> hashes_of(std::span<const std::int32_t> tokens) {
  std::vector<std::uint64_t> hashes;
  std::uint64_t hash = 0;
  for (std::size_t i = 0; i < tokens.size() / kKvPage * kKvPage; ++i) {
    hash = combine_seeds(hash, static_cast<std::uint64_t>(static_cast<std::uint32_t>(tokens[i])));
    if ((i + 1) % kKvPage == 0) hashes.push_back(hash);
  }
  return hashes;
}

}  // namespace

std::optional<Sequence> PrefixCache::find(const Sequence& like, std::span<const std::int32_t> tokens) {
  if (tokens.empty() || !divisible(like)) return std::nullopt;
  const std::vector<std::uint64_t> hashes = hashes_of(tokens.first(tokens.size() - 1));
  for (std::size_t pages = hashes.size(); pages > 0; --pages) {
    const auto found = newest_.find(hashes[pages - 1]);
    if (found == newest_.end()) continue;
    const Entry& entry = *found->second;
    const std::size_t count = pages * kKvPage;
    const bool same = std::equal(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(count),
                                 entry.tokens.begin(), entry.tokens.begin() + static_cast<std::ptrdiff_t>(count));
    if (!same || !alike(entry.sequence, like)) continue;
    Sequence sequence = entry.sequence.fork();
    sequence.truncate(static_cast<int>(count));
    sequence.cache.set_context(like.cache.context());
    entries_.splice(entries_.begin(), entries_, found->second);
    return sequence;
  }
  return std::nullopt;
}

void PrefixCache::keep(const Sequence& sequence, std::span<const std::int32_t> tokens) {
  if (!divisible(sequence)) return;
  const auto there = static_cast<std::size_t>(sequence.cache.full_depth());
  const std::size_t count = std::min(there, tokens.size()) / kKvPage * kKvPage;
  const std::vector<std::uint64_t> hashes = hashes_of(tokens.first(count));
  if (hashes.empty()) return;
  const auto known = newest_.find(hashes.back());
  if (known != newest_.end() && alike(known->second->sequence, sequence)) {
    entries_.splice(entries_.begin(), entries_, known->second);
    return;
  }
  Entry entry{{tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(count)}, sequence.fork(), hashes};
  entry.sequence.truncate(static_cast<int>(count));
  bytes_ += entry.sequence.cache.bytes();
  entries_.push_front(std::move(entry));
  for (const std::uint64_t hash : hashes) newest_[hash] = entries_.begin();
  while (bytes_ > most_bytes_ && !entries_.empty()) forget_oldest();
}

void PrefixCache::forget_oldest() {
  const auto oldest = std::prev(entries_.end());
  bytes_ -= oldest->sequence.cache.bytes();
  for (const std::uint64_t hash : oldest->hashes) {
    const auto found = newest_.find(hash);
    if (found != newest_.end() && found->second == oldest) newest_.erase(found);
  }
  entries_.erase(oldest);
}

}  // namespace gyre
