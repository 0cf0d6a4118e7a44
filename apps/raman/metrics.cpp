#include "raman/metrics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

namespace gyre::raman {
namespace {

constexpr std::size_t kBins = 15;

/// 97.5 % points of Student's t for 1, 2, … degrees of freedom; beyond the table the normal's.
double t_quantile(std::size_t freedom) {
  constexpr std::array<double, 15> kTable = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306,
                                             2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131};
  if (freedom <= kTable.size()) return kTable[freedom - 1];
  // Cornish-Fisher expansion about the normal quantile; exact to three places here.
  constexpr double kZ = 1.959964;
  const auto n = static_cast<double>(freedom);
  return kZ + (kZ * kZ * kZ + kZ) / (4 * n) + (5 * std::pow(kZ, 5) + 16 * std::pow(kZ, 3) + 3 * kZ) / (96 * n * n);
}

/// How many classes are more probable; of equal ones the first counts.
std::size_t rank_of(std::span<const double> row, std::size_t truth) {
  std::size_t rank = 0;
  for (std::size_t c = 0; c < row.size(); ++c) {
    if (row[c] > row[truth] || (row[c] == row[truth] && c < truth)) ++rank;
  }
  return rank;
}

double brier(std::span<const double> row, std::size_t truth) {
  double sum = 0;
  for (std::size_t c = 0; c < row.size(); ++c) {
    const double away = row[c] - (c == truth ? 1 : 0);
    sum += away * away;
  }
  return sum;
}

double calibration_error(const Probabilities& probabilities, std::span<const int> truth) {
  std::array<double, kBins> confidence{};
  std::array<double, kBins> right{};
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const int best = probabilities.best(i);
    const double p = probabilities.row(i)[static_cast<std::size_t>(best)];
    const std::size_t bin = std::min(kBins - 1, static_cast<std::size_t>(std::max(0.0, p) * kBins));
    confidence[bin] += p;
    right[bin] += best == truth[i] ? 1 : 0;
  }
  double sum = 0;
  for (std::size_t b = 0; b < kBins; ++b) sum += std::abs(confidence[b] - right[b]);
  return sum / static_cast<double>(truth.size());
}

}  // namespace

int Probabilities::best(std::size_t item) const {
  const auto of_item = row(item);
  return static_cast<int>(std::max_element(of_item.begin(), of_item.end()) - of_item.begin());
}

Probabilities softmax(std::span<const float> logits, std::size_t classes, double temperature) {
  Probabilities out{classes, std::vector<double>(logits.size())};
  for (std::size_t begin = 0; begin < logits.size(); begin += classes) {
    const auto row = logits.subspan(begin, classes);
    const double top = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      sum += out.values[begin + c] = std::exp((double{row[c]} - top) / temperature);
    }
    for (std::size_t c = 0; c < classes; ++c) out.values[begin + c] /= sum;
  }
  return out;
}

Metrics measure(const Probabilities& probabilities, std::span<const int> truth) {
  Metrics metrics;
  if (truth.empty()) return metrics;
  const std::size_t classes = probabilities.classes;
  const auto count = static_cast<double>(truth.size());
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const auto t = static_cast<std::size_t>(truth[i]);
    const std::size_t rank = rank_of(probabilities.row(i), t);
    metrics.accuracy += rank == 0 ? 1 / count : 0;
    metrics.top3 += rank < 3 ? 1 / count : 0;
    metrics.log_loss -= std::log(std::max(probabilities.row(i)[t], 1e-12)) / count;
    metrics.brier += brier(probabilities.row(i), t) / count;
  }
  const std::vector<int> counts = confusion(probabilities, truth);
  double present = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    double of_truth = 0;
    double predicted = 0;
    for (std::size_t other = 0; other < classes; ++other) {
      of_truth += counts[c * classes + other];
      predicted += counts[other * classes + c];
    }
    if (of_truth == 0) continue;
    present += 1;
    const double right = counts[c * classes + c];
    metrics.balanced_accuracy += right / of_truth;
    metrics.macro_f1 += 2 * right / (of_truth + predicted);
  }
  metrics.balanced_accuracy /= present;
  metrics.macro_f1 /= present;
  metrics.calibration_error = calibration_error(probabilities, truth);
  return metrics;
}

std::vector<std::pair<std::string, double Metrics::*>> measure_names() {
  return {{"accuracy", &Metrics::accuracy},
          {"top3", &Metrics::top3},
          {"balanced_accuracy", &Metrics::balanced_accuracy},
          {"macro_f1", &Metrics::macro_f1},
          {"calibration_error", &Metrics::calibration_error},
          {"log_loss", &Metrics::log_loss},
          {"brier", &Metrics::brier}};
}

nlohmann::json to_json(const Metrics& metrics) {
  nlohmann::json json;
  for (const auto& [name, member] : measure_names()) json[name] = metrics.*member;
  return json;
}

std::vector<int> confusion(const Probabilities& probabilities, std::span<const int> truth) {
  const std::size_t classes = probabilities.classes;
  std::vector<int> counts(classes * classes, 0);
  for (std::size_t i = 0; i < truth.size(); ++i) {
    ++counts[static_cast<std::size_t>(truth[i]) * classes + static_cast<std::size_t>(probabilities.best(i))];
  }
  return counts;
}

Interval interval_of(std::span<const double> values, double test_share) {
  Interval interval;
  if (values.empty()) return interval;
  const auto count = static_cast<double>(values.size());
  for (const double v : values) interval.mean += v / count;
  if (values.size() == 1) return {interval.mean, interval.mean, interval.mean};
  double squares = 0;
  for (const double v : values) squares += (v - interval.mean) * (v - interval.mean);
  const double half = t_quantile(values.size() - 1) * std::sqrt(squares / (count - 1) * (1 / count + test_share));
  return {interval.mean, interval.mean - half, interval.mean + half};
}

nlohmann::json to_json(const Interval& interval) {
  return {{"mean", interval.mean}, {"low", interval.low}, {"high", interval.high}};
}

}  // namespace gyre::raman
