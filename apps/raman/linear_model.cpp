#include "raman/linear_model.hpp"

#include <Eigen/Dense>

namespace gyre::raman {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr int kSteps = 150;

Matrix with_ones(const Examples& examples) {
  const Eigen::Map<const Matrix> inputs(examples.inputs.data(), static_cast<Eigen::Index>(examples.size()),
                                        examples.points);
  Matrix x(inputs.rows(), examples.points + 1);
  x.rightCols(1).setOnes();
  for (Eigen::Index i = 0; i < x.rows(); ++i) {
    const float norm = inputs.row(i).norm();
    x.row(i).head(examples.points) = inputs.row(i) * (norm > 0 ? 1 / norm : 1.0F);
  }
  return x;
}

/// Rows of softmax in place.
void to_probabilities(Matrix& logits) {
  for (Eigen::Index i = 0; i < logits.rows(); ++i) {
    auto row = logits.row(i);
    row = (row.array() - row.maxCoeff()).exp().matrix();
    row /= row.sum();
  }
}

}  // namespace

LinearModel::LinearModel(const Examples& training, float penalty)
    : classes_(static_cast<std::size_t>(training.classes)) {
  // Full-batch gradient descent with Nesterov's momentum. The step is below the inverse of the loss's curvature: at
  // most half the largest eigenvalue of X'X / n, plus the penalty; rows have the squared length 2.
  const Matrix x = with_ones(training);
  const auto n = static_cast<float>(x.rows());
  Matrix target = Matrix::Zero(x.rows(), training.classes);
  for (Eigen::Index i = 0; i < x.rows(); ++i) target(i, training.labels[static_cast<std::size_t>(i)]) = 1;
  const float rate = 1 / (1.0F + penalty);
  Matrix weights = Matrix::Zero(x.cols(), training.classes);
  Matrix before = weights;
  for (int step = 0; step < kSteps; ++step) {
    const float momentum = static_cast<float>(step) / static_cast<float>(step + 3);
    const Matrix ahead = weights + momentum * (weights - before);
    Matrix p = x * ahead;
    to_probabilities(p);
    const Matrix gradient = x.transpose() * (p - target) / n + penalty * ahead;
    before = weights;
    weights = ahead - rate * gradient;
  }
  weights_.assign(weights.data(), weights.data() + weights.size());
}

Probabilities LinearModel::probabilities(const Examples& examples) const {
  const auto classes = static_cast<Eigen::Index>(classes_);
  const Eigen::Map<const Matrix> weights(weights_.data(), static_cast<Eigen::Index>(weights_.size()) / classes,
                                         classes);
  Matrix p = with_ones(examples) * weights;
  to_probabilities(p);
  Probabilities out{classes_, {}};
  out.values.assign(p.data(), p.data() + p.size());
  return out;
}

}  // namespace gyre::raman
