#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>

namespace gyre::blocks {

// Scales of K types, fitted to a run by weighted least squares: among roundings by inverse scales around the one that
// just reaches the largest code, the one whose best scale leaves the smallest error. (The idea of llama.cpp's k-quants,
// whose own bytes differ.)

/// A run is about scale · code − least.
struct FittedRun {
  float scale = 0;
  float least = 0;
};

inline int clamped_round(float value, int lowest, int highest) {
  return static_cast<int>(std::clamp(std::round(value), static_cast<float>(lowest), static_cast<float>(highest)));
}

/// Codes from 0 to `most`, `least` not below zero. Large numbers weigh more.
inline FittedRun fit_run(std::span<const float> x, int most) {
  const auto count = static_cast<float>(x.size());
  float smallest = 0;  // so that zero can be said
  float largest = x.front();
  float squares = 0;
  for (const float value : x) {
    smallest = std::min(smallest, value);
    largest = std::max(largest, value);
    squares += value * value;
  }
  const float range = largest - smallest;
  FittedRun best{range / static_cast<float>(most), -smallest};
  if (!(range > 1e-30F)) return {0, -smallest};
  const float typical = std::sqrt(squares / count);
  float best_error = -1;
  constexpr int kTries = 21;
  for (int t = 0; t <= kTries; ++t) {
    // The first try is the plain one; the others lie within one code of it.
    const float reach = static_cast<float>(most) + (t == 0 ? 0.0F : 0.1F * static_cast<float>(t - 1) - 1.0F);
    std::array<float, 3> sums{};  // of w, w q and w q², then of w x and w q x
    float with_x = 0;
    float with_qx = 0;
    for (const float value : x) {
      const auto code = static_cast<float>(clamped_round(reach / range * (value - smallest), 0, most));
      const float weight = typical + std::fabs(value);
      sums[0] += weight;
      sums[1] += weight * code;
      sums[2] += weight * code * code;
      with_x += weight * value;
      with_qx += weight * code * value;
    }
    const float determinant = sums[0] * sums[2] - sums[1] * sums[1];
    if (!(determinant > 0)) continue;
    FittedRun fit{(sums[0] * with_qx - sums[1] * with_x) / determinant,
                  (sums[1] * with_qx - sums[2] * with_x) / determinant};
    if (fit.least < 0) fit = {with_qx / sums[2], 0};
    float error = 0;
    for (const float value : x) {
      const auto code = static_cast<float>(clamped_round(reach / range * (value - smallest), 0, most));
      const float miss = fit.scale * code - fit.least - value;
      error += (typical + std::fabs(value)) * miss * miss;
    }
    if (std::isfinite(error) && fit.scale > 0 && (best_error < 0 || error < best_error)) {
      best_error = error;
      best = fit;
    }
  }
  return best;
}

/// Codes from −most to most − 1 without a minimum, weighed by the squares of the numbers; the scale may be negative.
inline float fit_scale(std::span<const float> x, int most) {
  float extreme = 0;
  for (const float value : x) {
    if (std::fabs(value) > std::fabs(extreme)) extreme = value;
  }
  if (!(std::fabs(extreme) > 1e-30F)) return 0;
  float best = -extreme / static_cast<float>(most);
  float best_gain = -1;
  for (int t = -9; t <= 9; ++t) {
    const float inverse = -(static_cast<float>(most) + 0.1F * static_cast<float>(t)) / extreme;
    double with_x = 0;  // Σ w q x and Σ w q², w = x²
    double squares = 0;
    for (const float value : x) {
      const double code = clamped_round(inverse * value, -most, most - 1);
      const double weight = static_cast<double>(value) / extreme * static_cast<double>(value) / extreme;
      with_x += weight * code * static_cast<double>(value) / extreme;
      squares += weight * code * code;
    }
    if (squares <= 0) continue;
    const auto gain = static_cast<float>(with_x * with_x / squares);
    if (gain > best_gain) {
      best_gain = gain;
      best = static_cast<float>(with_x / squares) * extreme;
    }
  }
  return best;
}

}  // namespace gyre::blocks
