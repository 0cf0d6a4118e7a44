#include "study/measures/lyapunov.hpp"

#include <Eigen/Dense>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/random.hpp"

namespace gyre {
namespace {

constexpr double kLost = 1e-12;  ///< a column that keeps less of its length lay in the span of the others

double dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

Eigen::MatrixXd matrix_of(std::span<const double> values, std::size_t n) {
  using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto size = static_cast<Eigen::Index>(n);
  return Eigen::Map<const RowMajor>(values.data(), size, size);
}

}  // namespace

Directions::Directions(std::size_t size, std::size_t count, std::uint64_t seed)
    : size_(size), values_(size * std::min(size, count)), seed_(seed) {
  for (double& value : values_) value = static_cast<double>(normal_at(seed_, drawn_++));
  orthonormalise();
}

std::vector<double> Directions::orthonormalise() {
  std::vector<double> growth;
  for (std::size_t j = 0; j < count(); ++j) {
    const std::span<double> mine = column(j);
    double before = std::sqrt(dot(mine, mine));
    double rest = 0;
    for (bool first = true;; first = false) {
      for (int round = 0; round < 2; ++round) {
        for (std::size_t i = 0; i < j; ++i) {
          const std::span<const double> other = column(i);
          const double along = dot(mine, other);
          for (std::size_t c = 0; c < size_; ++c) mine[c] -= along * other[c];
        }
      }
      rest = std::sqrt(dot(mine, mine));
      const bool lost = !(rest > kLost * before);
      if (first) growth.push_back(lost ? -std::numeric_limits<double>::infinity() : std::log(rest));
      if (!lost) break;
      for (double& value : mine) value = static_cast<double>(normal_at(seed_, drawn_++));
      before = std::sqrt(dot(mine, mine));
    }
    for (double& value : mine) value /= rest;
  }
  return growth;
}

double largest_singular_value(std::span<const double> jacobian, std::size_t n) {
  const Eigen::MatrixXd map = matrix_of(jacobian, n);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> squares(map.transpose() * map, Eigen::EigenvaluesOnly);
  return std::sqrt(std::max(squares.eigenvalues().maxCoeff(), 0.0));
}

double spectral_radius(std::span<const double> jacobian, std::size_t n) {
  return Eigen::EigenSolver<Eigen::MatrixXd>(matrix_of(jacobian, n), false).eigenvalues().cwiseAbs().maxCoeff();
}

}  // namespace gyre
