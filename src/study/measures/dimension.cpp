#include "study/measures/dimension.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "study/measures/undefined.hpp"

namespace gyre {
namespace {

constexpr std::size_t kFewest = 10;

}  // namespace

std::vector<double> nearest_distances(std::span<const float> points, std::size_t size, std::size_t count) {
  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto rows = static_cast<Eigen::Index>(points.size() / size);
  Eigen::MatrixXd x = Eigen::Map<const RowMajor>(points.data(), rows, static_cast<Eigen::Index>(size)).cast<double>();
  x.rowwise() -= x.colwise().mean();
  const Eigen::MatrixXd gram = x * x.transpose();
  std::vector<double> result;
  std::vector<double> row;
  for (Eigen::Index i = 0; i < rows; ++i) {
    row.clear();
    // What F64 cannot tell from 0 in a difference of products.
    const double zero = 1e-12 * gram(i, i);
    bool twin = false;
    for (Eigen::Index j = 0; j < rows; ++j) {
      if (j == i) continue;
      const double square = gram(i, i) + gram(j, j) - 2 * gram(i, j);
      twin = twin || square <= zero;
      row.push_back(std::sqrt(std::max(square, 0.0)));
    }
    if (twin || row.size() < count) continue;
    std::partial_sort(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(count), row.end());
    result.insert(result.end(), row.begin(), row.begin() + static_cast<std::ptrdiff_t>(count));
  }
  return result;
}

double two_nn_dimension(std::span<const double> distances, std::size_t count) {
  const std::size_t n = distances.size() / count;
  if (n < kFewest) return kUndefined;
  std::vector<double> ratios;
  for (std::size_t i = 0; i < n; ++i) ratios.push_back(std::log(distances[i * count + 1] / distances[i * count]));
  std::sort(ratios.begin(), ratios.end());
  double along = 0;
  double squares = 0;
  for (std::size_t i = 0; i < n * 9 / 10; ++i) {
    const double height = -std::log(1 - static_cast<double>(i + 1) / static_cast<double>(n));
    along += ratios[i] * height;
    squares += ratios[i] * ratios[i];
  }
  return squares > 0 ? along / squares : kUndefined;
}

double likelihood_dimension(std::span<const double> distances, std::size_t count) {
  const std::size_t n = distances.size() / count;
  if (n < kFewest || count < 2) return kUndefined;
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::span<const double> row = distances.subspan(i * count, count);
    for (std::size_t j = 0; j + 1 < count; ++j) sum += std::log(row.back() / row[j]);
  }
  return sum > 0 ? static_cast<double>(n * (count - 1)) / sum : kUndefined;
}

}  // namespace gyre
