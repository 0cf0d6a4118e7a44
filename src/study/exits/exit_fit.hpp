#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace gyre {

/// Rows that a linear read-out is fitted to: numbers [rows, width] (narrow floats, widened while they are summed), and
/// of each row the class whose constant it has, 0 … classes − 1.
struct FitRows {
  std::size_t width = 0;
  std::size_t classes = 0;
  std::vector<float> numbers;
  std::vector<std::size_t> class_of;

  [[nodiscard]] std::size_t size() const { return class_of.size(); }
};

/// Of s = w · row + b of its class.
struct LinearFit {
  std::vector<double> weights;    ///< w [width]
  std::vector<double> constants;  ///< b [classes]
};

/// Ridge regression: the least mean (s − target)² + penalty ‖w‖², in closed form.
LinearFit fit_ridge(const FitRows& rows, std::span<const double> targets, double penalty);

/// Logistic regression on targets between 0 and 1: the least mean −target log σ(s) − (1 − target) log(1 − σ(s)) +
/// penalty ‖w‖² / 2, by Newton's method with halved steps.
LinearFit fit_logistic(const FitRows& rows, std::span<const double> targets, double penalty);

}  // namespace gyre
