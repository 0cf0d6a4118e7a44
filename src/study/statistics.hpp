#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace gyre {

/// What nothing is known of.
inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

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

/// A number with its 95 % interval; of fewer than two units nothing is known of it: NaN.
struct Estimate {
  double value = 0;
  Interval interval;
  std::size_t units = 0;  ///< that were resampled
};

/// Fewer units cannot speak at 95 %: that all of n go one way has a chance of 2^(1−n) when there is nothing to it.
inline constexpr std::size_t kFewestUnits = 6;

/// On which side of a threshold an interval lies; unclear where it crosses or touches it, is not known, or is of fewer
/// than kFewestUnits.
enum class Side : std::uint8_t { below, above, unclear };
Side side_of(const Estimate& estimate, double threshold);
std::string_view name_of(Side side);

inline constexpr int kResamples = 1000;
/// The same for every interval, so that a result is the same whenever it is computed.
inline constexpr std::uint64_t kResamplingSeed = 1;

/// The median over all values of all units, of which each is taken so many times.
class MedianOfUnits {
 public:
  explicit MedianOfUnits(std::span<const std::vector<double>> values);
  /// NaN when nothing is taken.
  double operator()(std::span<const double> times) const;

 private:
  std::vector<double> sizes_;                           ///< values a unit
  std::vector<std::pair<double, std::size_t>> sorted_;  ///< values with their units
};

/// Resamples of exchangeable units (documents, windows, examples; tokens are none, for they depend on one another),
/// drawn once: statistics by the same resamples are paired, and so are their differences.
class Bootstrap {
 public:
  explicit Bootstrap(std::size_t units, std::uint64_t seed = kResamplingSeed, int resamples = kResamples);

  /// A statistic of the units, each taken so many times (1 each: as they are). Numbers that are not finite, of
  /// resamples that hold nothing to divide by, are left out of the interval.
  using Statistic = std::function<double(std::span<const double> times)>;
  [[nodiscard]] Estimate of(const Statistic& statistic) const;

  /// Σ numerators / Σ denominators, a number a unit each: of losses over tokens, the mean loss.
  [[nodiscard]] Estimate ratio(std::span<const double> numerators, std::span<const double> denominators) const;
  /// Σ (a − b) / Σ denominators: how much more a costs than b on the same units.
  [[nodiscard]] Estimate difference(std::span<const double> a, std::span<const double> b,
                                    std::span<const double> denominators) const;
  /// The median over all values of all units.
  [[nodiscard]] Estimate median(std::span<const std::vector<double>> values) const;

  [[nodiscard]] std::size_t units() const { return units_; }

 private:
  std::size_t units_;
  std::vector<std::vector<double>> times_;  ///< of each unit, by resample
};

/// 95 % bootstrap interval of sum(numerators) / sum(denominators), resampling pairs. Of fewer than two pairs nothing is
/// known: NaN.
Interval bootstrap_ratio(std::span<const double> numerators, std::span<const double> denominators,
                         std::uint64_t seed = kResamplingSeed);

}  // namespace gyre
