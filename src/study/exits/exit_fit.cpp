#include "study/exits/exit_fit.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

namespace gyre {
namespace {

using Eigen::Index;
using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Rows widened at once, so that sums in double take little memory.
constexpr std::size_t kRowsTogether = 512;
/// Keeps a class whose rows all agree from an endless constant, and says nothing elsewhere.
constexpr double kHold = 1e-9;

/// Rows with a column of ones for each class behind them, a chunk at a time, always in the same order.
class Design {
 public:
  explicit Design(const FitRows& rows) : rows_(rows) {}

  [[nodiscard]] Index columns() const { return static_cast<Index>(rows_.width + rows_.classes); }
  [[nodiscard]] Index rows() const { return static_cast<Index>(rows_.size()); }

  template <typename Each>
  void for_chunks(const Each& each) const {
    for (std::size_t first = 0; first < rows_.size(); first += kRowsTogether) {
      const std::size_t n = std::min(kRowsTogether, rows_.size() - first);
      Eigen::MatrixXd chunk = Eigen::MatrixXd::Zero(static_cast<Index>(n), columns());
      const Eigen::Map<const RowMajor> numbers(rows_.numbers.data() + first * rows_.width, static_cast<Index>(n),
                                               static_cast<Index>(rows_.width));
      chunk.leftCols(static_cast<Index>(rows_.width)) = numbers.cast<double>();
      for (std::size_t i = 0; i < n; ++i) {
        chunk(static_cast<Index>(i), static_cast<Index>(rows_.width + rows_.class_of[first + i])) = 1;
      }
      each(static_cast<Index>(first), chunk);
    }
  }

  [[nodiscard]] Eigen::VectorXd scores(const Eigen::VectorXd& fit) const {
    Eigen::VectorXd result(rows());
    for_chunks([&](Index first, const Eigen::MatrixXd& chunk) { result.segment(first, chunk.rows()) = chunk * fit; });
    return result;
  }

  /// Σ weight row rowᵀ.
  [[nodiscard]] Eigen::MatrixXd gram(const Eigen::VectorXd& weights) const {
    Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(columns(), columns());
    for_chunks([&](Index first, const Eigen::MatrixXd& chunk) {
      const Eigen::VectorXd roots = weights.segment(first, chunk.rows()).cwiseSqrt();
      sum.selfadjointView<Eigen::Lower>().rankUpdate((roots.asDiagonal() * chunk).transpose());
    });
    return sum.selfadjointView<Eigen::Lower>();
  }

  /// Σ value row.
  [[nodiscard]] Eigen::VectorXd sum(const Eigen::VectorXd& values) const {
    Eigen::VectorXd result = Eigen::VectorXd::Zero(columns());
    for_chunks([&](Index first, const Eigen::MatrixXd& chunk) {
      result += chunk.transpose() * values.segment(first, chunk.rows());
    });
    return result;
  }

  /// What holds each column: the penalty of weights, next to nothing of constants; of all rows together.
  [[nodiscard]] Eigen::VectorXd holds(double penalty) const {
    Eigen::VectorXd result = Eigen::VectorXd::Constant(columns(), kHold);
    result.head(static_cast<Index>(rows_.width)).setConstant(std::max(penalty, kHold));
    return result * static_cast<double>(rows_.size());
  }

  [[nodiscard]] LinearFit split(const Eigen::VectorXd& fit) const {
    const auto* const middle = fit.data() + rows_.width;
    return {{fit.data(), middle}, {middle, middle + rows_.classes}};
  }

 private:
  const FitRows& rows_;
};

Eigen::VectorXd as_vector(std::span<const double> values) {
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Index>(values.size()));
}

/// log(1 + exp(x)) that does not overflow.
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

}  // namespace

LinearFit fit_ridge(const FitRows& rows, std::span<const double> targets, double penalty) {
  const Design design(rows);
  Eigen::MatrixXd gram = design.gram(Eigen::VectorXd::Ones(design.rows()));
  gram.diagonal() += design.holds(penalty);
  return design.split(gram.ldlt().solve(design.sum(as_vector(targets))));
}

LinearFit fit_logistic(const FitRows& rows, std::span<const double> targets, double penalty) {
  constexpr int kMostSteps = 50;
  constexpr int kMostHalvings = 30;
  constexpr double kSmall = 1e-10;
  const Design design(rows);
  const Eigen::VectorXd target = as_vector(targets);
  const Eigen::VectorXd holds = design.holds(penalty);
  const auto cost = [&](const Eigen::VectorXd& fit, const Eigen::VectorXd& scores) {
    double sum = 0.5 * fit.cwiseAbs2().dot(holds);
    for (Index i = 0; i < scores.size(); ++i) sum += softplus(scores[i]) - target[i] * scores[i];
    return sum;
  };
  Eigen::VectorXd fit = Eigen::VectorXd::Zero(design.columns());
  Eigen::VectorXd scores = design.scores(fit);
  double now = cost(fit, scores);
  for (int step = 0; step < kMostSteps; ++step) {
    const Eigen::VectorXd p = scores.unaryExpr([](double s) { return 1 / (1 + std::exp(-s)); });
    Eigen::MatrixXd curvature = design.gram((p.array() * (1 - p.array())).matrix());
    curvature.diagonal() += holds;
    const Eigen::VectorXd slope = design.sum(target - p) - holds.cwiseProduct(fit);
    Eigen::VectorXd change = curvature.ldlt().solve(slope);
    Eigen::VectorXd next = fit + change;
    Eigen::VectorXd next_scores = design.scores(next);
    double then = cost(next, next_scores);
    for (int i = 0; i < kMostHalvings && !(then <= now); ++i) {
      change /= 2;
      next = fit + change;
      next_scores = design.scores(next);
      then = cost(next, next_scores);
    }
    if (!(then <= now)) break;
    const double gained = now - then;
    fit = next;
    scores = next_scores;
    now = then;
    if (gained <= kSmall * now) break;
  }
  return design.split(fit);
}

}  // namespace gyre
