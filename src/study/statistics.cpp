#include "study/statistics.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/random.hpp"

namespace gyre {

double quantile(std::span<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double place = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

double median(std::vector<double> values) { return quantile(values, 0.5); }

Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  return {mean, quantile(values, 0.1), quantile(values, 0.5), quantile(values, 0.9)};
}

Interval bootstrap_ratio(std::span<const double> numerators, std::span<const double> denominators, std::uint64_t seed) {
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  if (numerators.size() < 2) return {kUnknown, kUnknown};
  Random random(seed);
  std::vector<double> ratios;
  for (int i = 0; i < kResamples; ++i) {
    double above = 0;
    double below = 0;
    for (std::size_t j = 0; j < numerators.size(); ++j) {
      const std::size_t pick = random.below(numerators.size());
      above += numerators[pick];
      below += denominators[pick];
    }
    ratios.push_back(above / below);
  }
  return {quantile(ratios, 0.025), quantile(ratios, 0.975)};
}

}  // namespace gyre
