#include "study/measures/steps.hpp"

#include <algorithm>
#include <cmath>

#include "study/measures/undefined.hpp"

namespace gyre {
double length(std::span<const float> x) {
  double squares = 0;
  for (const float value : x) squares += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(squares);
}

double distance(std::span<const float> a, std::span<const float> b) {
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    squares += difference * difference;
  }
  return std::sqrt(squares);
}

double contraction_ratio(double step, double previous) { return previous > 0 ? step / previous : kUndefined; }

double fixed_point_residual(std::span<const float> x, std::span<const float> after) {
  const double size = length(x);
  return size > 0 ? distance(after, x) / size : kUndefined;
}

double curvature(double cosine, double step, double previous) {
  const double mean = (step + previous) / 2;
  return step > 0 && previous > 0 ? std::acos(std::clamp(cosine, -1.0, 1.0)) / mean : kUndefined;
}

}  // namespace gyre
