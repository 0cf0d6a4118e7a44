#include "study/measures/spectrum.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "study/measures/undefined.hpp"

namespace gyre {
namespace {

constexpr double kZero = 1e-8;  ///< of the largest: what the eigenvalues of a Gram matrix in F64 can tell

}  // namespace

std::vector<double> singular_values(std::span<const float> points, std::size_t size) {
  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto rows = static_cast<Eigen::Index>(points.size() / size);
  Eigen::MatrixXd x = Eigen::Map<const RowMajor>(points.data(), rows, static_cast<Eigen::Index>(size)).cast<double>();
  x.rowwise() -= x.colwise().mean();
  const Eigen::MatrixXd gram =
      x.rows() < x.cols() ? Eigen::MatrixXd(x * x.transpose()) : Eigen::MatrixXd(x.transpose() * x);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(gram, Eigen::EigenvaluesOnly);
  std::vector<double> values;
  for (Eigen::Index i = gram.rows() - 1; i >= 0; --i)
    values.push_back(std::sqrt(std::max(solver.eigenvalues()(i), 0.0)));
  for (double& value : values) {
    if (value <= kZero * values.front()) value = 0;
  }
  return values;
}

double effective_rank(std::span<const double> singular_values) {
  const double sum = std::accumulate(singular_values.begin(), singular_values.end(), 0.0);
  if (!(sum > 0)) return kUndefined;
  double entropy = 0;
  for (const double value : singular_values) {
    const double p = value / sum;
    if (p > 0) entropy -= p * std::log(p);
  }
  return std::exp(entropy);
}

double spectrum_decay(std::span<const double> singular_values) {
  const auto there = static_cast<std::size_t>(
      std::count_if(singular_values.begin(), singular_values.end(), [](double value) { return value > 0; }));
  const std::size_t first = std::max<std::size_t>(1, there / 20);
  const std::size_t last = there / 2;
  if (last < first + 2) return kUndefined;
  const auto count = static_cast<double>(last - first + 1);
  double x = 0;
  double y = 0;
  double xx = 0;
  double xy = 0;
  for (std::size_t i = first; i <= last; ++i) {
    const double place = std::log(static_cast<double>(i));
    const double height = 2 * std::log(singular_values[i - 1]);
    x += place;
    y += height;
    xx += place * place;
    xy += place * height;
  }
  return -(count * xy - x * y) / (count * xx - x * x);
}

}  // namespace gyre
