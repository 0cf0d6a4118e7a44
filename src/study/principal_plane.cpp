#include "study/principal_plane.hpp"

#include <Eigen/Dense>

namespace gyre {

PrincipalPlane principal_plane(std::span<const float> points, std::size_t size) {
  const auto rows = static_cast<Eigen::Index>(points.size() / size);
  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::MatrixXd states =
      Eigen::Map<const RowMajor>(points.data(), rows, static_cast<Eigen::Index>(size)).cast<double>();
  states.rowwise() -= states.colwise().mean();
  // There are far fewer states than channels: the eigenvectors of the small Gram matrix are the coordinates.
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(states * states.transpose());
  const Eigen::VectorXd& values = solver.eigenvalues();  // ascending
  const double total = std::max(values.cwiseMax(0.0).sum(), 1e-300);
  PrincipalPlane plane;
  const auto coordinates = [&](Eigen::Index from_last, std::vector<double>& out) {
    const Eigen::Index i = rows - 1 - from_last;
    const double value = std::max(values(i), 0.0);
    Eigen::VectorXd column = solver.eigenvectors().col(i) * std::sqrt(value);
    if (column(rows - 1) < column(0)) column = -column;  // an eigenvector may point either way
    out.assign(column.data(), column.data() + rows);
    return value / total;
  };
  plane.explained_first = coordinates(0, plane.x);
  plane.explained_second = coordinates(1, plane.y);
  return plane;
}

}  // namespace gyre
