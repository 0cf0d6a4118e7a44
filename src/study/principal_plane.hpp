#pragma once

#include <span>
#include <vector>

namespace gyre {

/// Points in the plane of their two main directions (PCA), and the share of variance along each.
struct PrincipalPlane {
  std::vector<double> x;
  std::vector<double> y;
  double explained_first = 0;
  double explained_second = 0;
};

/// Each axis points from the first point towards the last. `points` holds rows of `size` floats, at least two.
PrincipalPlane principal_plane(std::span<const float> points, std::size_t size);

}  // namespace gyre
