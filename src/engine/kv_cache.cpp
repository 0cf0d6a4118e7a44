#include "engine/kv_cache.hpp"

#include <algorithm>
#include <charconv>
#include <new>

#include "base/error.hpp"
#include "format/json_object.hpp"

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
  int most = 0;
  for (int loop = 0; loop < loops; ++loop) most = std::max(most, slot(loop));
  return most + 1;
}

KvPolicy parse_kv_policy(const std::string& text, const std::string& flag) {
  KvPolicy policy;
  if (text == "latest" || text == "available") return policy;
  if (text == "last") return {Slots::ring, 1, KvPolicy::Lookup::latest};
  if (text == "full") return {Slots::loop, 0, KvPolicy::Lookup::full};
  for (const auto& [slots, name] : kSlots) {
    const std::string start = "latest:" + std::string(name) + "=";
    if (!text.starts_with(start)) continue;
    policy.slots = slots;
    const char* const end = text.data() + text.size();
    const auto [stop, failure] = std::from_chars(text.data() + start.size(), end, policy.count);
    if (failure == std::errc() && stop == end && policy.count >= 1 && policy.count <= kMostLoops) return policy;
  }
  throw Error("{}: \"{}\" is no KV policy; choose latest, latest:ring=K, latest:run=K, latest:anchor=K, last or full",
              flag, text);
}

std::string name_of(const KvPolicy& policy) {
  if (policy.lookup == KvPolicy::Lookup::full) return "full";
  if (policy.slots == Slots::loop) return "latest";
  if (policy == KvPolicy{Slots::ring, 1, KvPolicy::Lookup::latest}) return "last";
  return fmt::format("latest:{}={}", name_of<Slots>(kSlots, policy.slots), policy.count);
}

KvCache::KvCache(const ModelSpec& spec, std::vector<int> loops, int context, KvPolicy policy)
    : loops_(std::move(loops)), kv_size_(static_cast<std::size_t>(spec.kv_size())), context_(context), policy_(policy) {
  for (std::size_t g = 0; g < spec.groups.size(); ++g) {
    layers_.push_back(spec.groups[g].layers);
    first_slot_.push_back(slots_);
    copies_.push_back(policy_.slot_count(loops_[g]));
    slots_ += static_cast<std::size_t>(spec.groups[g].layers) * static_cast<std::size_t>(copies_.back());
  }
  entries_.assign(slots_, 0);
  const std::size_t floats = slots_ * static_cast<std::size_t>(context) * kv_size_;
  keys_ = allocate(floats);
  values_ = allocate(floats);
}

KvCache::Buffer KvCache::allocate(std::size_t floats) {
  // calloc gives large blocks as fresh pages that exist only once they are written.
  auto* memory = static_cast<float*>(std::calloc(floats, sizeof(float)));  // NOLINT(cppcoreguidelines-no-malloc)
  if (memory == nullptr) throw std::bad_alloc();
  return Buffer(memory);
}

std::size_t KvCache::first_slot(std::size_t group, int layer) const {
  return first_slot_[group] + static_cast<std::size_t>(layer) * static_cast<std::size_t>(copies_[group]);
}

std::size_t KvCache::slot(std::size_t group, int layer, int loop) const {
  return first_slot(group, layer) + static_cast<std::size_t>(policy_.slot(loop));
}

void KvCache::finish_group(std::size_t group, int tokens, int loops_done) {
  const int written = std::min(policy_.slot_count(loops_done), copies_[group]);
  const std::size_t count = static_cast<std::size_t>(tokens) * kv_size_;
  for (int layer = 0; layer < layers_[group]; ++layer) {
    const std::size_t first = first_slot(group, layer);
    const std::size_t last = first + static_cast<std::size_t>(written) - 1;
    const int entry = entries_[last];
    for (std::size_t slot = first; slot <= last; ++slot) entries_[slot] += tokens;
    if (policy_.lookup == KvPolicy::Lookup::full) continue;
    for (std::size_t slot = last + 1; slot < first + static_cast<std::size_t>(copies_[group]); ++slot) {
      std::copy_n(keys(last, entry), count, keys(slot, entry));
      std::copy_n(values(last, entry), count, values(slot, entry));
      entries_[slot] += tokens;
    }
  }
}

}  // namespace gyre
