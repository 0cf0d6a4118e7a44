#include "engine/kv_cache.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/checked.hpp"
#include "base/error.hpp"
#include "engine/rotary.hpp"

namespace gyre {
namespace {

/// Throws Error when a group needs keys that the policy does not keep.
void require_keys(const Group& group, int loops, const KvPolicy& policy) {
  const bool windows = !group.window_layers.empty() || group.loop_window > 0;
  if (policy.lookup == KvPolicy::Lookup::full && loops > 1 && windows) {
    throw Error(
        "the KV policy full leaves tokens out of deep loops, so that the windows of group \"{}\" cannot be told; "
        "choose latest{}",
        group.name, group.first_loop_attention ? "" : " or last");
  }
  for (int loop = 1; group.first_loop_attention && loop < loops; ++loop) {
    if (policy.slot(loop) != policy.slot(0)) continue;
    throw Error(
        "the KV policy {} overwrites the keys of the first loop in loop {}, but every later loop of group \"{}\" "
        "attends to them; choose latest, latest:anchor=K or all_or_last",
        name_of(policy), loop + 1, group.name);
  }
}

}  // namespace

KvCache::KvCache(const ModelSpec& spec, std::vector<int> loops, int context, KvPolicy policy)
    : loops_(std::move(loops)),
      heads_(static_cast<std::size_t>(spec.kv_heads)),
      head_size_(static_cast<std::size_t>(spec.head_size)),
      row_bytes_(kv_row_bytes(policy.type, head_size_)),
      head_bytes_(kv_page_bytes(policy.type, head_size_)),
      context_(context),
      rotary_length_(gyre::rotary_length(spec, context)),
      policy_(policy) {
  std::size_t slots = 0;
  for (std::size_t g = 0; g < spec.groups.size(); ++g) {
    require_keys(spec.groups[g], loops_[g], policy_);
    groups_.push_back({spec.groups[g].passes(), policy_.slot_count(loops_[g]), loops_[g], slots});
    slots += static_cast<std::size_t>(groups_.back().count) * static_cast<std::size_t>(groups_.back().slots);
  }
  const auto bytes = checked_product({slots, static_cast<std::size_t>(context), heads_, row_bytes_});
  if (!bytes || *bytes > PTRDIFF_MAX) {
    throw Error(
        "keys and values of {} positions in {} layer loops need more memory than there can be; give a smaller "
        "context or fewer loops",
        context, slots);
  }
  slots_.resize(slots);
}

std::size_t KvCache::first_slot(std::size_t group, int layer) const {
  const Layers& layers = groups_[group];
  return layers.first_slot + static_cast<std::size_t>(layer) * static_cast<std::size_t>(layers.slots);
}

std::size_t KvCache::slot(std::size_t group, int layer, int loop) const {
  const bool some_never_ran_it = policy_.lookup == KvPolicy::Lookup::all_or_last && loop >= groups_[group].shared;
  return first_slot(group, layer) + static_cast<std::size_t>(some_never_ran_it ? loops_[group] : policy_.slot(loop));
}

KvCache::Page KvCache::new_page() const {
  constexpr std::size_t kCacheLine = 64;
  const std::size_t bytes = (page_bytes() + kCacheLine - 1) / kCacheLine * kCacheLine;
  auto* const memory = static_cast<std::byte*>(std::aligned_alloc(kCacheLine, bytes));
  if (memory == nullptr) throw std::bad_alloc();
  return {memory, [](std::byte* page) { std::free(page); }};  // NOLINT(cppcoreguidelines-no-malloc)
}

void KvCache::share(std::size_t slot, std::size_t page, const Page& with) {
  Slot& own = slots_[slot];
  if (own.pages.size() <= page) {
    own.table.reserve(page + 1);  // nothing throws once the first has grown
    own.pages.resize(page + 1);
    own.table.resize(page + 1);
  }
  own.pages[page] = with;
  own.table[page] = with.get();
}

void KvCache::own(std::size_t slot, std::size_t end, std::size_t page) {
  const auto place = [&](std::size_t at) { return page < slots_[at].table.size() ? slots_[at].table[page] : nullptr; };
  const std::byte* const before = place(slot);
  std::size_t last = slot + 1;
  while (last < end && place(last) == before) ++last;
  if (before != nullptr && static_cast<std::size_t>(slots_[slot].pages[page].use_count()) == last - slot) return;
  const Page fresh = new_page();
  const bool holds_entries = static_cast<int>(page * kKvPage) < std::max(slots_[slot].entries, left_);
  if (before != nullptr && holds_entries) std::memcpy(fresh.get(), before, page_bytes());
  for (std::size_t at = slot; at < last; ++at) share(at, page, fresh);
}

void KvCache::open(std::size_t group, int loop, int offset) {
  const auto slots = static_cast<std::size_t>(groups_[group].slots);
  const bool latest = policy_.lookup == KvPolicy::Lookup::latest;
  for (int layer = 0; layer < groups_[group].count; ++layer) {
    const std::size_t mine = slot(group, layer, loop);
    const std::size_t end = latest ? first_slot(group, layer) + slots : mine + 1;
    own(mine, end, static_cast<std::size_t>(slots_[mine].entries + offset) / kKvPage);
  }
}

void KvCache::write(std::size_t slot, std::size_t head, int entry, const float* key, const float* value) {
  const std::size_t place = static_cast<std::size_t>(entry) % kKvPage;
  std::byte* const keys = slots_[slot].table[static_cast<std::size_t>(entry) / kKvPage] + 2 * head * head_bytes_;
  write_kv_key(policy_.type, {key, head_size_}, keys, place);
  write_kv_row(policy_.type, {value, head_size_}, keys + head_bytes_ + place * row_bytes_);
}

void KvCache::copy_entry(std::size_t from, std::size_t to, int entry) {
  const std::size_t page = static_cast<std::size_t>(entry) / kKvPage;
  const std::size_t place = static_cast<std::size_t>(entry) % kKvPage;
  const std::byte* source = slots_[from].table[page];
  std::byte* target = slots_[to].table[page];
  for (std::size_t head = 0; head < heads_; ++head, source += 2 * head_bytes_, target += 2 * head_bytes_) {
    copy_kv_key(policy_.type, head_size_, source, target, place);
    const std::size_t row = head_bytes_ + place * row_bytes_;
    std::copy_n(source + row, row_bytes_, target + row);
  }
}

int KvCache::written_slots(std::size_t group, int loops_done) const {
  return std::min(policy_.slot_count(loops_done), groups_[group].slots);
}

void KvCache::leave(std::size_t group, int offset, int loops_done) {
  if (policy_.lookup == KvPolicy::Lookup::full) return;
  const bool latest = policy_.lookup == KvPolicy::Lookup::latest;
  const auto written = static_cast<std::size_t>(written_slots(group, loops_done));
  for (int layer = 0; layer < groups_[group].count; ++layer) {
    const std::size_t first = first_slot(group, layer);
    const std::size_t end = first + static_cast<std::size_t>(groups_[group].slots);
    const std::size_t last = latest ? first + written - 1 : slot(group, layer, loops_done - 1);
    const int entry = slots_[last].entries + offset;
    left_ = std::max(left_, entry + 1);
    const std::size_t page = static_cast<std::size_t>(entry) / kKvPage;
    for (std::size_t other = latest ? last + 1 : end - 1; other < end; ++other) {
      // Slots that share a page have the entry as soon as the first of them has it.
      if (latest && slots_[other].table[page] == slots_[other - 1].table[page]) continue;
      if (other == last) continue;
      own(other, end, page);
      copy_entry(last, other, entry);
    }
  }
}

void KvCache::count(std::span<const int> loops_done, int tokens) {
  const bool full = policy_.lookup == KvPolicy::Lookup::full;
  for (std::size_t group = 0; group < loops_done.size(); ++group) {
    const Layers& layers = groups_[group];
    const auto known = static_cast<std::size_t>(full ? written_slots(group, loops_done[group]) : layers.slots);
    for (int layer = 0; layer < layers.count; ++layer) {
      const std::size_t first = first_slot(group, layer);
      for (std::size_t slot = first; slot < first + known; ++slot) slots_[slot].entries += tokens;
    }
  }
}

void KvCache::commit(std::span<const int> loops_done) {
  count(loops_done, 1);
  for (std::size_t group = 0; group < loops_done.size(); ++group) {
    groups_[group].shared = std::min(groups_[group].shared, loops_done[group]);
    depths_.push_back(static_cast<std::uint16_t>(loops_done[group]));
  }
}

void KvCache::truncate(int tokens) {
  left_ = 0;
  std::vector<int> loops(groups_.size());
  while (size() > tokens) {
    std::copy(depths_.end() - static_cast<std::ptrdiff_t>(loops.size()), depths_.end(), loops.begin());
    count(loops, -1);
    depths_.resize(depths_.size() - loops.size());
  }
  for (std::size_t g = 0; g < groups_.size(); ++g) groups_[g].shared = loops_[g];
  for (std::size_t i = 0; i < depths_.size(); ++i) {
    int& shared = groups_[i % groups_.size()].shared;
    shared = std::min<int>(shared, depths_[i]);
  }
  for (Slot& slot : slots_) {
    const std::size_t pages = (static_cast<std::size_t>(slot.entries) + kKvPage - 1) / kKvPage;
    if (pages >= slot.pages.size()) continue;
    slot.pages.resize(pages);
    slot.table.resize(pages);
  }
}

int KvCache::full_depth() const {
  std::size_t i = 0;
  while (i < depths_.size() && depths_[i] == loops_[i % loops_.size()]) ++i;
  return static_cast<int>(i / loops_.size());
}

std::size_t KvCache::bytes() const {
  std::size_t pages = 0;
  for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
    for (std::size_t page = 0; page < slots_[slot].table.size(); ++page) {
      const bool shared =
          slot > 0 && page < slots_[slot - 1].table.size() && slots_[slot].table[page] == slots_[slot - 1].table[page];
      if (slots_[slot].table[page] != nullptr && !shared) ++pages;
    }
  }
  return pages * page_bytes();
}

}  // namespace gyre
