#include "engine/kv_policy.hpp"

#include <algorithm>
#include <charconv>

#include "base/enum_name.hpp"
#include "base/error.hpp"
#include "model/spec.hpp"

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

}  // namespace gyre
