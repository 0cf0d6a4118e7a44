#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <vector>

namespace gyre::raman {

/// Probabilities of classes, one row an item.
struct Probabilities {
  std::size_t classes = 0;
  std::vector<double> values;  ///< [items, classes]

  [[nodiscard]] std::size_t items() const { return classes == 0 ? 0 : values.size() / classes; }
  [[nodiscard]] std::span<const double> row(std::size_t item) const {
    return std::span(values).subspan(item * classes, classes);
  }
  [[nodiscard]] int best(std::size_t item) const;
};

/// Rows of logits divided by `temperature`, through softmax.
Probabilities softmax(std::span<const float> logits, std::size_t classes, double temperature = 1);

/// What one set of predictions is worth. Shares are 0 … 1.
struct Metrics {
  double accuracy = 0;
  double top3 = 0;               ///< the truth is among the three most probable
  double balanced_accuracy = 0;  ///< mean recall of the classes that occur in the truth
  double macro_f1 = 0;           ///< mean F1 of the classes that occur in the truth
  double calibration_error = 0;  ///< expected, over 15 bins of equal width of the highest probability
  double log_loss = 0;           ///< nats, probabilities not below 1e-12
  double brier = 0;              ///< mean squared distance of the probabilities from the truth: 0 … 2
};

Metrics measure(const Probabilities& probabilities, std::span<const int> truth);
nlohmann::json to_json(const Metrics& metrics);
/// The measures by name, in the order of the struct.
std::vector<std::pair<std::string, double Metrics::*>> measure_names();

/// counts[truth][predicted], flat.
std::vector<int> confusion(const Probabilities& probabilities, std::span<const int> truth);

/// A mean over folds with its two-sided 95 % interval by the corrected resampled t-test (Nadeau and Bengio 2003). The
/// training sides of folds overlap, so that their results vary less than those of new data would: the variance of the
/// mean is s² (1 / n + tested / trained) in place of s² / n.
struct Interval {
  double mean = 0;
  double low = 0;
  double high = 0;
};
/// `test_share`: examples that a fold tests over those that it trains on, 1 / (folds - 1).
Interval interval_of(std::span<const double> values, double test_share);
nlohmann::json to_json(const Interval& interval);

}  // namespace gyre::raman
