#include "study/measures/period.hpp"

#include <algorithm>

#include "study/measures/steps.hpp"

namespace gyre {

Ending ending_of(std::span<const std::span<const float>> states, const EndingOptions& options) {
  const auto last = static_cast<int>(states.size()) - 1;
  const int tail = std::min(last, 2 * options.most);
  const auto apart = [&](int k, int back) {
    return distance(states[static_cast<std::size_t>(k)], states[static_cast<std::size_t>(k - back)]);
  };
  const int settled = (tail + 1) / 2;  // what is still on its way to rest in the first half ends there all the same
  double sum = 0;
  bool rests = tail > 0;
  for (int k = last - tail + 1; k <= last; ++k) {
    const double step = apart(k, 1);
    sum += step;
    const bool small = step <= options.rest * length(states[static_cast<std::size_t>(k)]);
    rests = rests && (small || k <= last - settled);
  }
  if (rests) return {Ending::Kind::fixed, 1};
  const double mean = sum / std::max(tail, 1);
  for (int period = 2; period <= options.most && 2 * period <= tail; ++period) {
    double furthest = 0;
    for (int k = last - tail + period; k <= last; ++k) furthest = std::max(furthest, apart(k, period));
    if (furthest <= options.back * mean) return {Ending::Kind::cycle, period};
  }
  return {};
}

}  // namespace gyre
