#include "raman/log_linear.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

namespace gyre::raman {
namespace {

constexpr int kMostSteps = 50;
constexpr int kMostHalvings = 20;
/// Of an item's worth, so small that it only decides between parts that say the same.
constexpr double kPenalty = 1e-3;
constexpr double kLeast = 1e-12;

struct Loss {
  double value = 0;
  Eigen::VectorXd gradient;
  Eigen::MatrixXd curvature;
};

Loss loss_at(const Eigen::VectorXd& weights, const Opinions& opinions, std::span<const int> truth,
             std::span<const std::size_t> items) {
  const auto classes = static_cast<Eigen::Index>(opinions.classes);
  const auto parts = static_cast<Eigen::Index>(opinions.parts);
  const double share = 1 / static_cast<double>(items.size());
  const Eigen::VectorXd away = weights.array() - 1 / static_cast<double>(parts);
  Loss loss{0.5 * kPenalty * away.squaredNorm(), kPenalty * away, kPenalty * Eigen::MatrixXd::Identity(parts, parts)};
  using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  for (const std::size_t item : items) {
    const Eigen::Map<const Rows> rows(opinions.values.data() + item * opinions.classes * opinions.parts, classes,
                                      parts);
    const Eigen::MatrixXd f = rows.cast<double>();
    const Eigen::VectorXd scores = f * weights;
    const double top = scores.maxCoeff();
    const Eigen::VectorXd p = (scores.array() - top).exp();
    const double total = p.sum();
    const auto t = static_cast<Eigen::Index>(truth[item]);
    const Eigen::VectorXd mean = f.transpose() * p / total;
    loss.value += share * (std::log(total) + top - scores(t));
    loss.gradient += share * (mean - f.row(t).transpose());
    loss.curvature += share * (f.transpose() * (p / total).asDiagonal() * f - mean * mean.transpose());
  }
  return loss;
}

}  // namespace

std::vector<double> fit_log_linear(const Opinions& opinions, std::span<const int> truth,
                                   std::span<const std::size_t> items) {
  const auto parts = static_cast<Eigen::Index>(opinions.parts);
  Eigen::VectorXd weights = Eigen::VectorXd::Constant(parts, 1 / static_cast<double>(parts));
  if (!items.empty()) {
    Loss loss = loss_at(weights, opinions, truth, items);
    for (int step = 0; step < kMostSteps; ++step) {
      const Eigen::VectorXd direction = loss.curvature.ldlt().solve(loss.gradient);
      double length = 2;
      Loss next;
      for (int halving = 0; halving < kMostHalvings; ++halving) {
        length *= 0.5;
        next = loss_at(weights - length * direction, opinions, truth, items);
        if (next.value <= loss.value) break;
      }
      if (!(next.value <= loss.value)) break;
      weights -= length * direction;
      const double gain = loss.value - next.value;
      loss = std::move(next);
      if (gain < 1e-9) break;
    }
  }
  return {weights.data(), weights.data() + parts};
}

Probabilities mix_log_linear(const Opinions& opinions, std::span<const double> weights) {
  std::vector<float> scores(opinions.items() * opinions.classes, 0.0F);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    double sum = 0;
    for (std::size_t p = 0; p < opinions.parts; ++p) sum += weights[p] * opinions.values[i * opinions.parts + p];
    scores[i] = static_cast<float>(sum);
  }
  return softmax(scores, opinions.classes);
}

double fit_temperature(const Probabilities& probabilities, std::span<const int> truth) {
  Opinions opinions{probabilities.classes, 1, {}};
  std::vector<std::size_t> items(probabilities.items());
  for (std::size_t i = 0; i < items.size(); ++i) items[i] = i;
  for (const double p : probabilities.values) {
    opinions.values.push_back(static_cast<float>(std::log(std::max(p, kLeast))));
  }
  constexpr double kLeastWeight = 0.05;
  return 1 / std::max(fit_log_linear(opinions, truth, items).front(), kLeastWeight);
}

Probabilities at_temperature(const Probabilities& probabilities, double temperature) {
  Probabilities out = probabilities;
  for (std::size_t begin = 0; begin < out.values.size(); begin += out.classes) {
    double total = 0;
    for (std::size_t c = 0; c < out.classes; ++c) {
      double& v = out.values[begin + c];
      total += v = std::pow(std::max(v, kLeast), 1 / temperature);
    }
    for (std::size_t c = 0; c < out.classes; ++c) out.values[begin + c] /= total;
  }
  return out;
}

}  // namespace gyre::raman
