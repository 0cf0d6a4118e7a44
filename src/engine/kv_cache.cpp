#include "engine/kv_cache.hpp"

#include <algorithm>
#include <new>

#include "format/json_object.hpp"

namespace gyre {
namespace {

constexpr EnumName<KvPolicy> kPolicies[] = {{KvPolicy::per_loop, "per_loop"}, {KvPolicy::last, "last"}};

}  // namespace

KvPolicy parse_kv_policy(const std::string& text, const std::string& flag) {
  for (const auto& [policy, name] : kPolicies) {
    if (name == text) return policy;
  }
  throw Error("{}: \"{}\" is no KV policy; choose per_loop or last", flag, text);
}

std::string_view name_of(KvPolicy policy) { return name_of<KvPolicy>(kPolicies, policy); }

KvCache::KvCache(const ModelSpec& spec, std::vector<int> loops, int context, KvPolicy policy)
    : loops_(std::move(loops)), kv_size_(static_cast<std::size_t>(spec.kv_size())), context_(context), policy_(policy) {
  for (std::size_t g = 0; g < spec.groups.size(); ++g) {
    layers_.push_back(spec.groups[g].layers);
    first_slot_.push_back(slots_);
    const int copies = policy == KvPolicy::per_loop ? loops_[g] : 1;
    slots_ += static_cast<std::size_t>(spec.groups[g].layers) * static_cast<std::size_t>(copies);
  }
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

std::size_t KvCache::slot(std::size_t group, int layer, int loop) const {
  const int index = policy_ == KvPolicy::per_loop ? layer * loops_[group] + loop : layer;
  return first_slot_[group] + static_cast<std::size_t>(index);
}

void KvCache::finish_group(std::size_t group, int position, int loops_done) {
  if (policy_ != KvPolicy::per_loop) return;
  for (int layer = 0; layer < layers_[group]; ++layer) {
    const std::size_t written = slot(group, layer, loops_done - 1);
    for (int loop = loops_done; loop < loops_[group]; ++loop) {
      const std::size_t missing = slot(group, layer, loop);
      std::copy_n(keys(written, position), kv_size_, keys(missing, position));
      std::copy_n(values(written, position), kv_size_, values(missing, position));
    }
  }
}

}  // namespace gyre
