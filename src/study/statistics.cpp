#include "study/statistics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

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

Side side_of(const Estimate& estimate, double threshold) {
  if (estimate.units < kFewestUnits) return Side::unclear;
  if (estimate.interval.low > threshold) return Side::above;
  if (estimate.interval.high < threshold) return Side::below;
  return Side::unclear;
}

std::string_view name_of(Side side) {
  switch (side) {
    case Side::below:
      return "below";
    case Side::above:
      return "above";
    case Side::unclear:
      break;
  }
  return "unclear";
}

MedianOfUnits::MedianOfUnits(std::span<const std::vector<double>> values) {
  for (std::size_t unit = 0; unit < values.size(); ++unit) {
    sizes_.push_back(static_cast<double>(values[unit].size()));
    for (const double value : values[unit]) sorted_.emplace_back(value, unit);
  }
  std::sort(sorted_.begin(), sorted_.end());
}

double MedianOfUnits::operator()(std::span<const double> times) const {
  const double all = std::inner_product(times.begin(), times.end(), sizes_.begin(), 0.0);
  // The two in the middle of the resample, which are one where their number is odd.
  const std::array<double, 2> places = {std::floor((all - 1) / 2), std::ceil((all - 1) / 2)};
  double sum = 0;
  std::size_t found = 0;
  double before = 0;
  for (const auto& [value, unit] : sorted_) {
    before += times[unit];
    while (found < 2 && before > places[found]) {
      sum += value;
      ++found;
    }
    if (found == 2) return sum / 2;
  }
  return kUnknown;
}

Bootstrap::Bootstrap(std::size_t units, std::uint64_t seed, int resamples) : units_(units) {
  if (units < 2) return;
  Random random(seed);
  for (int i = 0; i < resamples; ++i) {
    std::vector<double>& times = times_.emplace_back(units, 0.0);
    for (std::size_t j = 0; j < units; ++j) times[random.below(units)] += 1;
  }
}

Estimate Bootstrap::of(const Statistic& statistic) const {
  Estimate estimate{statistic(std::vector<double>(units_, 1.0)), {kUnknown, kUnknown}, units_};
  std::vector<double> values;
  for (const std::vector<double>& times : times_) {
    const double value = statistic(times);
    if (std::isfinite(value)) values.push_back(value);
  }
  if (!values.empty()) estimate.interval = {quantile(values, 0.025), quantile(values, 0.975)};
  return estimate;
}

Estimate Bootstrap::ratio(std::span<const double> numerators, std::span<const double> denominators) const {
  return of([&](std::span<const double> times) {
    double above = 0;
    double below = 0;
    for (std::size_t j = 0; j < times.size(); ++j) {
      above += times[j] * numerators[j];
      below += times[j] * denominators[j];
    }
    return above / below;
  });
}

Estimate Bootstrap::difference(std::span<const double> a, std::span<const double> b,
                               std::span<const double> denominators) const {
  std::vector<double> differences;
  for (std::size_t j = 0; j < a.size(); ++j) differences.push_back(a[j] - b[j]);
  return ratio(differences, denominators);
}

Estimate Bootstrap::median(std::span<const std::vector<double>> values) const {
  return of([median = MedianOfUnits(values)](std::span<const double> times) { return median(times); });
}

Interval bootstrap_ratio(std::span<const double> numerators, std::span<const double> denominators, std::uint64_t seed) {
  return Bootstrap(numerators.size(), seed).ratio(numerators, denominators).interval;
}

}  // namespace gyre
