#include "study/verdict.hpp"

#include <cmath>

namespace gyre {

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::holds:
      return "holds";
    case Verdict::does_not_hold:
      return "does not hold";
    case Verdict::unclear:
      break;
  }
  return "unclear";
}

Verdict Evidence::verdict() const {
  const auto& [low, high] = interval;
  const bool known = std::isfinite(value) && std::isfinite(low) && std::isfinite(high);
  if (!known || !decidable || windows < kFewestWindows) return Verdict::unclear;
  if ((beyond ? low > least : low >= least) && high <= most) return Verdict::holds;
  if ((beyond ? high <= least : high < least) || low > most) return Verdict::does_not_hold;
  return Verdict::unclear;
}

Verdict verdict_of(std::span<const Evidence> evidence) {
  bool all = !evidence.empty();
  for (const Evidence& one : evidence) {
    const Verdict verdict = one.verdict();
    if (verdict == Verdict::does_not_hold) return verdict;
    all = all && verdict == Verdict::holds;
  }
  return all ? Verdict::holds : Verdict::unclear;
}

}  // namespace gyre
