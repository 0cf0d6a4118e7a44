#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace gyre {

/// Products of the points of a sample with one another, its diagonal 0: all that linear CKA reads of it.
struct PointProducts {
  std::size_t points = 0;
  std::vector<float> values;  ///< [points, points]
};

/// Of points [n, size] about their mean.
PointProducts point_products(std::span<const float> points, std::size_t size);

/// Linear CKA (Kornblith et al., arXiv 1905.00414) of two samples of the same points in the same order, by the unbiased
/// estimate of HSIC (Song et al. 2012): about 0 for states that have nothing to do with one another, whatever their
/// width; it may fall a little below. NaN of fewer than four points, or when one sample does not vary.
double linear_cka(const PointProducts& a, const PointProducts& b);

}  // namespace gyre
