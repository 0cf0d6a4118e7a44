#include "study/turning.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "base/random.hpp"
#include "study/measures/undefined.hpp"
#include "study/principal_plane.hpp"

namespace gyre {
namespace {

/// Coordinates in a plane come from a matrix of squares: below its square root of precision they are rounding.
constexpr double kResolved = 1e-5;  // of the extent of a path
constexpr double kStraight = 1e-2;  // sine of an angle

using Vector = std::vector<double>;

/// The length of a vector of `dimension` standard normal numbers.
double random_length(std::size_t dimension, Random& random) {
  // Fisher's approximation, whose error is below 1 % here.
  if (dimension > 30) {
    return std::sqrt(static_cast<double>(dimension) - 0.5) + random.normal() / std::numbers::sqrt2;
  }
  double squares = 0;
  for (std::size_t i = 0; i < dimension; ++i) squares += std::pow(random.normal(), 2);
  return std::sqrt(squares);
}

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

void scale_to(Vector& a, double length) {
  const double now = std::sqrt(dot(a, a));
  for (double& value : a) value *= length / now;
}

/// A direction that is uniform in `paths.dimension`, in axes of which only the first `drawn` are told apart by the
/// directions before it: what lies outside of them is one further axis.
Vector random_direction(std::size_t drawn, std::size_t axes, std::size_t dimension, Random& random) {
  Vector direction(axes, 0.0);
  for (std::size_t i = 0; i < std::min(drawn, axes); ++i) direction[i] = random.normal();
  if (drawn < axes) direction[drawn] = random_length(dimension - drawn, random);
  scale_to(direction, 1);
  return direction;
}

/// Turned towards `before` until the cosine of both is `cosine`.
Vector at_angle(Vector direction, const Vector& before, double cosine) {
  const double along = dot(direction, before);
  for (std::size_t i = 0; i < direction.size(); ++i) direction[i] -= along * before[i];
  scale_to(direction, std::sqrt(std::max(0.0, 1 - cosine * cosine)));
  for (std::size_t i = 0; i < direction.size(); ++i) direction[i] += cosine * before[i];
  return direction;
}

}  // namespace

double Turning::share() const {
  return places < 2 ? kUndefined : static_cast<double>(std::max(left, right)) / static_cast<double>(places);
}

Turning turning_in_plane(std::span<const double> x, std::span<const double> y) {
  const auto extent = [](std::span<const double> values) {
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    return values.empty() ? 0 : *most - *least;
  };
  const double resolved = kResolved * std::max(extent(x), extent(y));
  Turning turning;
  for (std::size_t i = 2; i < x.size(); ++i) {
    const double ax = x[i - 1] - x[i - 2];
    const double ay = y[i - 1] - y[i - 2];
    const double bx = x[i] - x[i - 1];
    const double by = y[i] - y[i - 1];
    const double lengths = std::hypot(ax, ay) * std::hypot(bx, by);
    if (std::min(std::hypot(ax, ay), std::hypot(bx, by)) <= resolved) continue;
    ++turning.places;
    const double cross = ax * by - ay * bx;
    if (std::abs(cross) <= kStraight * lengths) continue;
    turning.winding += std::atan2(cross, ax * bx + ay * by) / (2 * std::numbers::pi);
    ++(cross > 0 ? turning.left : turning.right);
  }
  return turning;
}

Turning turning_of(std::span<const std::span<const float>> states) {
  if (states.size() < 3) return {};
  std::vector<float> points;
  for (const std::span<const float> state : states) points.insert(points.end(), state.begin(), state.end());
  const PrincipalPlane plane = principal_plane(points, states.front().size());
  return turning_in_plane(plane.x, plane.y);
}

double random_share(std::span<const double> lengths, std::span<const double> cosines, const RandomPaths& paths) {
  const std::size_t axes = std::min(lengths.size(), paths.dimension);
  if (axes < 2) return kUndefined;
  Random random(paths.seed);
  double sum = 0;
  int known = 0;
  for (int i = 0; i < paths.count; ++i) {
    std::vector<float> points(axes, 0.0F);
    Vector place(axes, 0.0);
    Vector before;
    for (std::size_t k = 0; k < lengths.size(); ++k) {
      Vector direction = random_direction(k, axes, paths.dimension, random);
      if (k > 0 && paths.directions == RandomPaths::Directions::same_angles && std::isfinite(cosines[k - 1])) {
        direction = at_angle(direction, before, cosines[k - 1]);
      }
      for (std::size_t j = 0; j < axes; ++j) place[j] += lengths[k] * direction[j];
      points.insert(points.end(), place.begin(), place.end());
      before = std::move(direction);
    }
    const PrincipalPlane plane = principal_plane(points, axes);
    const double share = turning_in_plane(plane.x, plane.y).share();
    if (!std::isfinite(share)) continue;
    sum += share;
    ++known;
  }
  return known > 0 ? sum / known : kUndefined;
}

}  // namespace gyre
