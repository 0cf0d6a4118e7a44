#include "raman/baselines.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <map>

namespace gyre::raman {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Eigen::Map<const Matrix> inputs_of(const Examples& examples) {
  return {examples.inputs.data(), static_cast<Eigen::Index>(examples.size()), examples.points};
}

Matrix unit_rows(const Examples& examples) {
  Matrix rows = inputs_of(examples);
  for (Eigen::Index i = 0; i < rows.rows(); ++i) {
    const float norm = rows.row(i).norm();
    if (norm > 0) rows.row(i) /= norm;
  }
  return rows;
}

std::vector<double> shares_of(const Examples& training) {
  std::vector<double> shares(static_cast<std::size_t>(training.classes), 0.0);
  for (const int label : training.labels) {
    shares[static_cast<std::size_t>(label)] += 1 / static_cast<double>(training.size());
  }
  return shares;
}

/// Rows of softmax in place.
void to_probabilities(Matrix& logits) {
  for (Eigen::Index i = 0; i < logits.rows(); ++i) {
    auto row = logits.row(i);
    row = (row.array() - row.maxCoeff()).exp().matrix();
    row /= row.sum();
  }
}

Probabilities probabilities_of(const Matrix& values) {
  Probabilities out{static_cast<std::size_t>(values.cols()), {}};
  out.values.assign(values.data(), values.data() + values.size());
  return out;
}

}  // namespace

Probabilities majority_baseline(const Examples& training, const Examples& test) {
  const std::vector<double> shares = shares_of(training);
  Probabilities out{shares.size(), {}};
  for (std::size_t i = 0; i < test.size(); ++i) out.values.insert(out.values.end(), shares.begin(), shares.end());
  return out;
}

Probabilities mineral_baseline(const Examples& training, const Examples& test) {
  const std::vector<double> shares = shares_of(training);
  std::map<int, std::vector<double>> counts;
  for (std::size_t i = 0; i < training.size(); ++i) {
    auto& row = counts.try_emplace(training.mineral[i], shares.size(), 0.0).first->second;
    row[static_cast<std::size_t>(training.labels[i])] += 1;
  }
  Probabilities out{shares.size(), {}};
  for (std::size_t i = 0; i < test.size(); ++i) {
    const auto found = counts.find(test.mineral[i]);
    double total = 1;
    std::vector<double> row = shares;  // one spectrum's worth: less than any count, so that it only breaks ties
    if (found != counts.end() && test.mineral[i] >= 0) {
      for (std::size_t c = 0; c < row.size(); ++c) {
        row[c] += found->second[c];
        total += found->second[c];
      }
    }
    for (const double v : row) out.values.push_back(v / total);
  }
  return out;
}

Probabilities neighbour_baseline(const Examples& training, const Examples& test) {
  constexpr float kSharpness = 20;
  const Matrix similarity = unit_rows(test) * unit_rows(training).transpose();
  Matrix best = Matrix::Constant(similarity.rows(), training.classes, -1.0F);
  for (Eigen::Index i = 0; i < similarity.rows(); ++i) {
    for (Eigen::Index k = 0; k < similarity.cols(); ++k) {
      float& entry = best(i, training.labels[static_cast<std::size_t>(k)]);
      entry = std::max(entry, similarity(i, k));
    }
  }
  best *= kSharpness;
  to_probabilities(best);
  return probabilities_of(best);
}

Probabilities linear_baseline(const Examples& training, const Examples& test) {
  // Full-batch gradient descent with Nesterov's momentum on inputs of unit length and a column of ones. The step is
  // below the inverse of the loss's curvature: at most half the largest eigenvalue of X'X / n, plus the penalty.
  constexpr int kSteps = 300;
  constexpr float kPenalty = 1e-4F;
  const auto with_ones = [](const Examples& examples) {
    Matrix x(static_cast<Eigen::Index>(examples.size()), examples.points + 1);
    x.leftCols(examples.points) = unit_rows(examples);
    x.rightCols(1).setOnes();
    return x;
  };
  const Matrix x = with_ones(training);
  const auto n = static_cast<float>(x.rows());
  Matrix target = Matrix::Zero(x.rows(), training.classes);
  for (Eigen::Index i = 0; i < x.rows(); ++i) target(i, training.labels[static_cast<std::size_t>(i)]) = 1;
  const float rate = 1 / (1.0F + kPenalty);  // rows have the squared length 2
  Matrix weights = Matrix::Zero(x.cols(), training.classes);
  Matrix before = weights;
  for (int step = 0; step < kSteps; ++step) {
    const float momentum = static_cast<float>(step) / static_cast<float>(step + 3);
    const Matrix ahead = weights + momentum * (weights - before);
    Matrix p = x * ahead;
    to_probabilities(p);
    const Matrix gradient = x.transpose() * (p - target) / n + kPenalty * ahead;
    before = weights;
    weights = ahead - rate * gradient;
  }
  Matrix p = with_ones(test) * weights;
  to_probabilities(p);
  return probabilities_of(p);
}

const std::vector<BaselineKind>& baseline_kinds() {
  static const std::vector<BaselineKind> kinds = {{"majority", "majority country", majority_baseline},
                                                  {"mineral", "most common country of the mineral", mineral_baseline},
                                                  {"neighbour", "nearest neighbour", neighbour_baseline},
                                                  {"linear", "linear model", linear_baseline}};
  return kinds;
}

}  // namespace gyre::raman
