#include "study/exits/exit_comparison.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/enum_name.hpp"

namespace gyre {
namespace {

constexpr EnumName<ExitCost> kCosts[] = {{ExitCost::cross_entropy, "cross_entropy"},
                                         {ExitCost::kl, "kl_to_full_depth"},
                                         {ExitCost::disagreement, "disagreement"},
                                         {ExitCost::error, "error"}};

/// (loops/token, cost per token or item) of units that are taken so many times.
std::pair<double, double> point_of(const UnitSums& sums, ExitCost cost, std::span<const double> times) {
  const std::span<const double> costs = costs_of(sums, cost);
  const std::span<const double> counts = counts_of(sums, cost);
  double tokens = 0;
  double loops = 0;
  double counted = 0;
  double spent = 0;
  for (std::size_t u = 0; u < times.size(); ++u) {
    tokens += times[u] * sums.tokens[u];
    loops += times[u] * sums.loops[u];
    counted += times[u] * counts[u];
    spent += times[u] * costs[u];
  }
  return {loops / tokens, spent / counted};
}

CostLine line_of(std::span<const UnitSums> points, ExitCost cost, std::span<const double> times) {
  std::vector<std::pair<double, double>> line;
  for (const UnitSums& sums : points) line.push_back(point_of(sums, cost, times));
  return CostLine(std::move(line));
}

}  // namespace

std::string_view name_of(ExitCost cost) { return name_of<ExitCost>(kCosts, cost); }

std::span<const double> costs_of(const UnitSums& sums, ExitCost cost) {
  switch (cost) {
    case ExitCost::kl:
      return sums.kl;
    case ExitCost::disagreement:
      return sums.disagreement;
    case ExitCost::error:
      return sums.errors;
    case ExitCost::cross_entropy:
      break;
  }
  return sums.cross_entropy;
}

std::span<const double> counts_of(const UnitSums& sums, ExitCost cost) {
  return cost == ExitCost::error ? sums.items : sums.tokens;
}

CostLine::CostLine(std::vector<std::pair<double, double>> points) : points_(std::move(points)) {
  std::sort(points_.begin(), points_.end());
}

double CostLine::at(double loops) const {
  // Rounding alone may put a trial beside the end that it stands on.
  constexpr double kNear = 1e-9;
  if (!(loops >= first() - kNear && loops <= last() + kNear)) return kUnknown;
  loops = std::clamp(loops, first(), last());
  std::size_t above = 0;
  while (above + 1 < points_.size() && points_[above].first < loops) ++above;
  if (above == 0 || points_[above].first == loops) return points_[above].second;
  const auto [x0, y0] = points_[above - 1];
  const auto [x1, y1] = points_[above];
  return y0 + (y1 - y0) * (loops - x0) / (x1 - x0);
}

double CostLine::mean() const {
  if (!(last() > first())) return kUnknown;
  double area = 0;
  for (std::size_t i = 1; i < points_.size(); ++i) {
    const auto [x0, y0] = points_[i - 1];
    const auto [x1, y1] = points_[i];
    area += (x1 - x0) * (y0 + y1) / 2;
  }
  return area / (last() - first());
}

Estimate cost_difference(const Bootstrap& bootstrap, const UnitSums& trial, const UnitSums& control, ExitCost cost) {
  return bootstrap.difference(costs_of(trial, cost), costs_of(control, cost), counts_of(trial, cost));
}

Estimate cost_above_constants(const Bootstrap& bootstrap, const UnitSums& trial, std::span<const UnitSums> constants,
                              ExitCost cost) {
  return bootstrap.of([&](std::span<const double> times) {
    const auto [loops, spent] = point_of(trial, cost, times);
    return spent - line_of(constants, cost, times).at(loops);
  });
}

Estimate front_difference(const Bootstrap& bootstrap, std::span<const UnitSums> points,
                          std::span<const UnitSums> constants, ExitCost cost) {
  if (points.size() < 2) return {kUnknown, {kUnknown, kUnknown}, bootstrap.units()};
  return bootstrap.of([&](std::span<const double> times) {
    const CostLine line = line_of(constants, cost, times);
    std::vector<std::pair<double, double>> heights;
    for (const UnitSums& sums : points) {
      const auto [loops, spent] = point_of(sums, cost, times);
      heights.emplace_back(loops, spent - line.at(loops));
    }
    return CostLine(std::move(heights)).mean();
  });
}

UnitSums mean_of(std::span<const UnitSums> several) {
  UnitSums mean(several.front().tokens.size());
  const auto add = [&](std::vector<double> UnitSums::*numbers) {
    for (const UnitSums& one : several) {
      for (std::size_t u = 0; u < (mean.*numbers).size(); ++u) {
        (mean.*numbers)[u] += (one.*numbers)[u] / static_cast<double>(several.size());
      }
    }
  };
  for (const auto numbers : {&UnitSums::tokens, &UnitSums::cross_entropy, &UnitSums::kl, &UnitSums::disagreement,
                             &UnitSums::loops, &UnitSums::layer_runs, &UnitSums::items, &UnitSums::errors}) {
    add(numbers);
  }
  return mean;
}

}  // namespace gyre
