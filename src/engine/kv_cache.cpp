#include "engine/kv_cache.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <new>

#include "base/checked.hpp"
#include "base/enum_name.hpp"
#include "base/error.hpp"

namespace gyre {
namespace {

using Slots = KvPolicy::Slots;
constexpr EnumName<Slots> kSlots[] = {{Slots::ring, "ring"}, {Slots::run, "run"}, {Slots::anchor, "anchor"}};

}  // namespace

int KvPolicy::slot(int loop) const {
  switch (slots) {
    case Slots::ring:
      return loop % count;
    case Slots::run:
      return loop / count;
    case Slots::anchor:
      return std::min(loop, count);
    case Slots::loop:
      break;
  }
  return loop;
}

int KvPolicy::slot_count(int loops) const {
  if (lookup == Lookup::all_or_last) return loops > 1 ? loops + 1 : 1;  // and that of last loops, behind them
  int most = 0;
  for (int loop = 0; loop < loops; ++loop) most = std::max(most, slot(loop));
  return most + 1;
}

KvPolicy parse_kv_policy(const std::string& text, const std::string& flag) {
  KvPolicy policy;
  if (text == "latest" || text == "available") return policy;
  if (text == "last") return {Slots::ring, 1, KvPolicy::Lookup::latest, KvType::f32};
  if (text == "full") return {Slots::loop, 0, KvPolicy::Lookup::full, KvType::f32};
  if (text == "all_or_last") return {Slots::loop, 0, KvPolicy::Lookup::all_or_last, KvType::f32};
  for (const auto& [slots, name] : kSlots) {
    const std::string start = "latest:" + std::string(name) + "=";
    if (!text.starts_with(start)) continue;
    policy.slots = slots;
    const char* const end = text.data() + text.size();
    const auto [stop, failure] = std::from_chars(text.data() + start.size(), end, policy.count);
    if (failure == std::errc() && stop == end && policy.count >= 1 && policy.count <= kMostLoops) return policy;
  }
  throw Error(
      "{}: \"{}\" is no KV policy; choose latest, latest:ring=K, latest:run=K, latest:anchor=K, last, all_or_last or "
      "full",
      flag, text);
}

std::string name_of(const KvPolicy& policy) {
  if (policy.lookup == KvPolicy::Lookup::full) return "full";
  if (policy.lookup == KvPolicy::Lookup::all_or_last) return "all_or_last";
  if (policy.slots == Slots::loop) return "latest";
  if (policy.slots == Slots::ring && policy.count == 1) return "last";
  return fmt::format("latest:{}={}", name_of<Slots>(kSlots, policy.slots), policy.count);
}

KvCache::KvCache(const ModelSpec& spec, std::vector<int> loops, int context, KvPolicy policy)
    : loops_(std::move(loops)),
      shared_(loops_),
      heads_(static_cast<std::size_t>(spec.kv_heads)),
      head_size_(static_cast<std::size_t>(spec.head_size)),
      row_bytes_(kv_row_bytes(policy.type, head_size_)),
      context_(context),
      policy_(policy) {
  for (std::size_t g = 0; g < spec.groups.size(); ++g) {
    layers_.push_back(spec.groups[g].passes());
    first_slot_.push_back(slots_);
    copies_.push_back(policy_.slot_count(loops_[g]));
    slots_ += static_cast<std::size_t>(layers_.back()) * static_cast<std::size_t>(copies_.back());
  }
  const auto bytes = checked_product({slots_, static_cast<std::size_t>(context), heads_, row_bytes_});
  if (!bytes || *bytes > PTRDIFF_MAX) {
    throw Error(
        "keys and values of {} positions in {} layer loops need more memory than there can be; give a smaller "
        "--context or fewer --loops",
        context, slots_);
  }
  entries_.assign(slots_, 0);
  keys_ = allocate(*bytes);
  values_ = allocate(*bytes);
}

KvCache::Buffer KvCache::allocate(std::size_t bytes) {
  // calloc gives large blocks as fresh pages that exist only once they are written.
  auto* memory = static_cast<std::byte*>(std::calloc(bytes, 1));  // NOLINT(cppcoreguidelines-no-malloc)
  if (memory == nullptr) throw std::bad_alloc();
  return Buffer(memory);
}

void KvCache::write(std::size_t slot, std::size_t head, int entry, const float* key, const float* value) {
  const std::size_t place = offset(slot, head, entry);
  write_kv_row(policy_.type, {key, head_size_}, keys_.get() + place);
  write_kv_row(policy_.type, {value, head_size_}, values_.get() + place);
}

std::size_t KvCache::first_slot(std::size_t group, int layer) const {
  return first_slot_[group] + static_cast<std::size_t>(layer) * static_cast<std::size_t>(copies_[group]);
}

std::size_t KvCache::slot(std::size_t group, int layer, int loop) const {
  const bool some_never_ran_it = policy_.lookup == KvPolicy::Lookup::all_or_last && loop >= shared_[group];
  return first_slot(group, layer) + static_cast<std::size_t>(some_never_ran_it ? loops_[group] : policy_.slot(loop));
}

void KvCache::copy(std::size_t from, std::size_t to, int entry) {
  for (std::size_t head = 0; head < heads_; ++head) {
    std::copy_n(keys_.get() + offset(from, head, entry), row_bytes_, keys_.get() + offset(to, head, entry));
    std::copy_n(values_.get() + offset(from, head, entry), row_bytes_, values_.get() + offset(to, head, entry));
  }
}

int KvCache::written_slots(std::size_t group, int loops_done) const {
  return std::min(policy_.slot_count(loops_done), copies_[group]);
}

void KvCache::leave(std::size_t group, int offset, int loops_done) {
  if (policy_.lookup == KvPolicy::Lookup::full) return;
  const bool latest = policy_.lookup == KvPolicy::Lookup::latest;
  const auto written = static_cast<std::size_t>(written_slots(group, loops_done));
  const auto slots = static_cast<std::size_t>(copies_[group]);
  for (int layer = 0; layer < layers_[group]; ++layer) {
    const std::size_t first = first_slot(group, layer);
    const std::size_t last = latest ? first + written - 1 : slot(group, layer, loops_done - 1);
    for (std::size_t other = latest ? last + 1 : first + slots - 1; other < first + slots; ++other) {
      if (other != last) copy(last, other, entries_[last] + offset);
    }
  }
}

void KvCache::commit(std::span<const int> loops_done) {
  const bool full = policy_.lookup == KvPolicy::Lookup::full;
  for (std::size_t group = 0; group < loops_done.size(); ++group) {
    const auto known = static_cast<std::size_t>(full ? written_slots(group, loops_done[group]) : copies_[group]);
    for (int layer = 0; layer < layers_[group]; ++layer) {
      const std::size_t first = first_slot(group, layer);
      for (std::size_t slot = first; slot < first + known; ++slot) ++entries_[slot];
    }
    if (policy_.lookup == KvPolicy::Lookup::all_or_last) shared_[group] = std::min(shared_[group], loops_done[group]);
  }
}

}  // namespace gyre
