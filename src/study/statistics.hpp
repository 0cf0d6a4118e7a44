#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace gyre {

/// Value at share `q` (0 … 1) of `values`, linear between neighbours; `values` gets sorted.
double quantile(std::span<double> values, double q);

double median(std::vector<double> values);

/// One measure over all tokens, and the shares of it that readers ask for first.
struct Spread {
  double mean = 0;
  double p10 = 0;
  double p50 = 0;
  double p90 = 0;
};
Spread spread_of(std::vector<double> values);

struct Interval {
  double low = 0;
  double high = 0;
};

inline constexpr int kResamples = 1000;
/// The same for every interval, so that a result is the same whenever it is computed.
inline constexpr std::uint64_t kResamplingSeed = 1;

/// 95 % bootstrap interval of sum(numerators) / sum(denominators), resampling pairs. Of fewer than two pairs nothing is
/// known: NaN.
Interval bootstrap_ratio(std::span<const double> numerators, std::span<const double> denominators,
                         std::uint64_t seed = kResamplingSeed);

}  // namespace gyre
