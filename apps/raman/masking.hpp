#pragma once

#include <cstdint>
#include <vector>

namespace gyre::raman {

/// What of a spectrum is hidden when its reconstruction is asked for.
struct Masking {
  double share = 0.4;  ///< of the points
  int width = 22;      ///< points of one stretch
};

/// One flag a point, 1: hidden. Stretches are laid at random places, over each other and over the ends too, until
/// `share` of the points is covered. A function of the arguments alone.
std::vector<std::uint8_t> hidden_points(int points, const Masking& masking, std::uint64_t seed);

}  // namespace gyre::raman
