#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace gyre {

/// Distances of every point of [n, size] to its `count` nearest others, ascending: [n, count]. A point that lies on
/// another one is left out, since it has no scale of its own.
std::vector<double> nearest_distances(std::span<const float> points, std::size_t size, std::size_t count);

/// TwoNN (Facco, d'Errico, Rodriguez, Laio 2017): the slope through 0 of −log(1 − F(μ)) on log μ, μ the ratio of a
/// point's second to its first distance, over the 90 % of points of the smallest μ. `distances` holds rows of `count`.
/// NaN of fewer than ten points.
double two_nn_dimension(std::span<const double> distances, std::size_t count);

/// Maximum likelihood of Levina and Bickel (2004) by all `count` distances of each point, the inverses averaged (MacKay
/// and Ghahramani 2005). NaN of fewer than ten points.
double likelihood_dimension(std::span<const double> distances, std::size_t count);

}  // namespace gyre
