#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "study/statistics.hpp"

namespace gyre {

enum class Verdict : std::uint8_t { holds, does_not_hold, unclear };
std::string_view name_of(Verdict verdict);

/// Windows that a verdict takes.
inline constexpr std::size_t kFewestWindows = kFewestUnits;

/// One number that speaks for or against a claim, or for neither.
struct Evidence {
  std::string group;
  double value = 0;
  Interval interval = {kUnknown, kUnknown};                 ///< 95 %, resampling windows; NaN where unknown
  double least = -std::numeric_limits<double>::infinity();  ///< the claim holds from here
  double most = std::numeric_limits<double>::infinity();    ///< to here, both ends included
  bool beyond = false;                                      ///< the lower end is not included
  std::int64_t tokens = 0;                                  ///< behind the value
  std::size_t windows = 0;                                  ///< that the tokens are of
  bool decidable = true;                                    ///< whether any value would have told something
  std::string quantity = {};                                ///< what the value is of, where a claim needs several
  std::vector<std::pair<std::string, double>> beside = {};  ///< what else tells of the value, by name

  /// Holds when all of the interval lies within the bounds, does not hold when all of it lies outside on one side.
  /// Unclear when it crosses a bound or is not known, where nothing is decidable, or with fewer than kFewestWindows
  /// windows.
  [[nodiscard]] Verdict verdict() const;
};

/// A claim about every group fails with one of them; it holds when it does for all evidence, and is unclear without any
/// and otherwise.
Verdict verdict_of(std::span<const Evidence> evidence);

}  // namespace gyre
