#include "study/measures/similarity.hpp"

#include <Eigen/Dense>
#include <cmath>

#include "study/measures/undefined.hpp"

namespace gyre {
namespace {

/// HSIC_1 up to the factor 1 / (n (n − 3)), which a ratio of three does not see.
double unbiased_hsic(const PointProducts& a, const PointProducts& b) {
  const std::size_t n = a.points;
  const auto count = static_cast<double>(n);
  double trace = 0;
  double sum_a = 0;
  double sum_b = 0;
  double rows = 0;
  for (std::size_t i = 0; i < n; ++i) {
    double row_a = 0;
    double row_b = 0;
    for (std::size_t j = 0; j < n; ++j) {
      const auto of_a = static_cast<double>(a.values[i * n + j]);
      const auto of_b = static_cast<double>(b.values[i * n + j]);
      trace += of_a * of_b;
      row_a += of_a;
      row_b += of_b;
    }
    sum_a += row_a;
    sum_b += row_b;
    rows += row_a * row_b;
  }
  return trace + sum_a * sum_b / ((count - 1) * (count - 2)) - 2 * rows / (count - 2);
}

}  // namespace

PointProducts point_products(std::span<const float> points, std::size_t size) {
  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto rows = static_cast<Eigen::Index>(points.size() / size);
  Eigen::MatrixXd x = Eigen::Map<const RowMajor>(points.data(), rows, static_cast<Eigen::Index>(size)).cast<double>();
  x.rowwise() -= x.colwise().mean();
  PointProducts result{static_cast<std::size_t>(rows), std::vector<float>(static_cast<std::size_t>(rows * rows))};
  Eigen::Map<RowMajor> values(result.values.data(), rows, rows);
  values = (x * x.transpose()).cast<float>();
  values.diagonal().setZero();
  return result;
}

double linear_cka(const PointProducts& a, const PointProducts& b) {
  if (a.points < 4 || a.points != b.points) return kUndefined;
  const double own_a = unbiased_hsic(a, a);
  const double own_b = unbiased_hsic(b, b);
  return own_a > 0 && own_b > 0 ? unbiased_hsic(a, b) / std::sqrt(own_a * own_b) : kUndefined;
}

}  // namespace gyre
