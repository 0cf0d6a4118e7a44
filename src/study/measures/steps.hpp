#pragma once

#include <span>

namespace gyre {

/// ‖x‖ and ‖a − b‖, summed in F64.
double length(std::span<const float> x);
double distance(std::span<const float> a, std::span<const float> b);

/// ‖Δ^(k)‖ / ‖Δ^(k−1)‖: below 1 where a loop contracts. NaN behind a step of length 0.
double contraction_ratio(double step, double previous);

/// ‖f(x) − x‖ / ‖x‖ of a state and what one more loop makes of it: how far it is from a fixed point. NaN at 0.
double fixed_point_residual(std::span<const float> x, std::span<const float> after);

/// The angle between two steps that follow one another, in radians, over their mean length: what a path turns by while
/// it goes on by 1. NaN where a step has no length.
double curvature(double cosine, double step, double previous);

}  // namespace gyre
