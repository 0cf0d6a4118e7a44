#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace gyre {

/// Value at share `q` (0 … 1) of `values`, linear between neighbours; `values` gets sorted.
double quantile(std::span<double> values, double q);

double median(std::vector<double> values);

struct Interval {
  double low = 0;
  double high = 0;
};

/// 95 % bootstrap interval of sum(numerators) / sum(denominators), resampling pairs.
Interval bootstrap_ratio(std::span<const double> numerators, std::span<const double> denominators, std::uint64_t seed);

}  // namespace gyre
