#include "raman/calibration.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.hpp"

namespace gyre::raman {
namespace {

/// How many of n + 1 items may be missed.
std::size_t may_be_missed(std::size_t n, double coverage) {
  // 1 - coverage is not exact: a product just below a whole number counts as that number.
  constexpr double kRounding = 1e-9;
  return static_cast<std::size_t>(std::floor((1 - coverage) * static_cast<double>(n + 1) + kRounding));
}

}  // namespace

double conformal_threshold(std::span<const double> of_truth, double coverage) {
  const std::size_t n = of_truth.size();
  std::vector<double> sorted(of_truth.begin(), of_truth.end());
  // As many items as may be missed among n + 1: the next smallest probability is the threshold.
  const std::size_t missed = may_be_missed(n, coverage);
  if (missed == 0) {
    throw Error("{} spectra are too few to calibrate sets of coverage {}; give more or a lower coverage", n, coverage);
  }
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(missed - 1), sorted.end());
  return sorted[missed - 1];
}

SetThresholds set_thresholds(const HeldOut& held_out, double coverage) {
  const auto of_group = [&](int familiar) {
    std::vector<double> group;
    for (std::size_t i = 0; i < held_out.of_truth.size(); ++i) {
      if (held_out.familiar[i] == familiar) group.push_back(held_out.of_truth[i]);
    }
    return conformal_threshold(may_be_missed(group.size(), coverage) > 0 ? group : held_out.of_truth, coverage);
  };
  return {of_group(1), of_group(0)};
}

std::vector<int> prediction_set(std::span<const double> probabilities, double threshold) {
  std::vector<int> order(probabilities.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return probabilities[static_cast<std::size_t>(a)] > probabilities[static_cast<std::size_t>(b)];
  });
  std::size_t size = 1;
  while (size < order.size() && probabilities[static_cast<std::size_t>(order[size])] >= threshold) ++size;
  order.resize(size);
  return order;
}

}  // namespace gyre::raman
