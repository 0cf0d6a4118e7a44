#include "raman/calibration.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.hpp"

namespace gyre::raman {
namespace {

/// The two numbers that are fitted: of the logits and of the logarithm of the prior.
using Weights = Eigen::Vector2d;

/// The mean log loss, which is convex in the weights, with its gradient and its matrix of second derivatives.
struct Loss {
  double value = 0;
  Weights gradient = Weights::Zero();
  Eigen::Matrix2d curvature = Eigen::Matrix2d::Zero();
};

Loss loss_at(const Weights& weights, std::span<const float> logits, std::span<const int> truth,
             const std::vector<double>& log_prior) {
  const std::size_t classes = log_prior.size();
  const double share = 1 / static_cast<double>(truth.size());
  std::vector<double> p(classes);
  Loss loss;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const auto row = logits.subspan(i * classes, classes);
    const auto feature = [&](std::size_t c) { return Weights(double{row[c]}, log_prior[c]); };
    double top = -HUGE_VAL;
    for (std::size_t c = 0; c < classes; ++c) top = std::max(top, p[c] = weights.dot(feature(c)));
    const auto t = static_cast<std::size_t>(truth[i]);
    const double of_truth = p[t] - top;
    double total = 0;
    for (double& v : p) total += v = std::exp(v - top);
    Weights mean = Weights::Zero();
    Eigen::Matrix2d square = Eigen::Matrix2d::Zero();
    for (std::size_t c = 0; c < classes; ++c) {
      const Weights f = feature(c);
      mean += p[c] / total * f;
      square += p[c] / total * f * f.transpose();
    }
    loss.value += share * (std::log(total) - of_truth);
    loss.gradient += share * (mean - feature(t));
    loss.curvature += share * (square - mean * mean.transpose());
  }
  return loss;
}

}  // namespace

Probabilities Calibration::apply(std::span<const float> logits) const {
  const std::size_t classes = log_prior.size();
  std::vector<float> shifted(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    shifted[i] = static_cast<float>(double{logits[i]} / temperature + prior_weight * log_prior[i % classes]);
  }
  return softmax(shifted, classes);
}

Calibration calibrate(std::span<const float> logits, std::span<const int> truth, std::span<const double> prior) {
  constexpr double kLeastShare = 1e-6;
  constexpr double kLeastScale = 0.01;
  constexpr int kMostSteps = 50;
  Calibration calibration;
  for (const double share : prior) calibration.log_prior.push_back(std::log(std::max(share, kLeastShare)));
  // Newton's method with halved steps.
  Weights weights(1, 0);
  Loss loss = loss_at(weights, logits, truth, calibration.log_prior);
  for (int step = 0; step < kMostSteps; ++step) {
    const Eigen::Matrix2d curved = loss.curvature + 1e-9 * Eigen::Matrix2d::Identity();
    const Weights direction = curved.ldlt().solve(loss.gradient);
    double length = 2;
    Loss next;
    for (int halving = 0; halving < 20; ++halving) {
      length *= 0.5;
      next = loss_at(weights - length * direction, logits, truth, calibration.log_prior);
      if (next.value <= loss.value) break;
    }
    if (!(next.value <= loss.value)) break;
    weights -= length * direction;
    const double gain = loss.value - next.value;
    loss = next;
    if (gain < 1e-9) break;
  }
  calibration.temperature = 1 / std::max(weights(0), kLeastScale);
  calibration.prior_weight = weights(1);
  return calibration;
}

double conformal_threshold(const Probabilities& probabilities, std::span<const int> truth, double coverage) {
  const std::size_t n = truth.size();
  std::vector<double> of_truth(n);
  for (std::size_t i = 0; i < n; ++i) of_truth[i] = probabilities.row(i)[static_cast<std::size_t>(truth[i])];
  // As many items as may be missed among n + 1: the next smallest probability is the threshold.
  // 1 - coverage is not exact: a product just below a whole number counts as that number.
  constexpr double kRounding = 1e-9;
  const auto missed = static_cast<std::size_t>(std::floor((1 - coverage) * static_cast<double>(n + 1) + kRounding));
  if (missed == 0) {
    throw Error("{} spectra are too few to calibrate sets of coverage {}; give more or a lower coverage", n, coverage);
  }
  std::nth_element(of_truth.begin(), of_truth.begin() + static_cast<std::ptrdiff_t>(missed - 1), of_truth.end());
  return of_truth[missed - 1];
}

std::vector<int> prediction_set(std::span<const double> probabilities, double threshold) {
  std::vector<int> order(probabilities.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return probabilities[static_cast<std::size_t>(a)] > probabilities[static_cast<std::size_t>(b)];
  });
  std::size_t size = 1;
  while (size < order.size() && probabilities[static_cast<std::size_t>(order[size])] >= threshold) ++size;
  order.resize(size);
  return order;
}

SetQuality measure_sets(const Probabilities& probabilities, std::span<const int> truth, double threshold) {
  SetQuality quality;
  const auto count = static_cast<double>(truth.size());
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const std::vector<int> set = prediction_set(probabilities.row(i), threshold);
    quality.size += static_cast<double>(set.size()) / count;
    if (std::find(set.begin(), set.end(), truth[i]) != set.end()) quality.coverage += 1 / count;
  }
  return quality;
}

}  // namespace gyre::raman
