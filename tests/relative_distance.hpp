#pragma once

#include <cmath>
#include <cstddef>
#include <span>

namespace gyre {

/// ‖got − wanted‖ / ‖wanted‖.
inline double relative_distance(std::span<const float> got, std::span<const float> wanted) {
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    difference += std::pow(static_cast<double>(got[i]) - static_cast<double>(wanted[i]), 2);
    size += std::pow(static_cast<double>(wanted[i]), 2);
  }
  return std::sqrt(difference / size);
}

}  // namespace gyre
