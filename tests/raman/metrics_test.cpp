#include "raman/metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.hpp"
#include "base/random.hpp"
#include "raman/calibration.hpp"

namespace gyre::raman::metrics_test {
namespace {

/// Six items of four classes, with the numbers below worked out by hand.
const Probabilities kHand{4, {0.7, 0.1, 0.1, 0.1,    // truth 0: right
                              0.4, 0.3, 0.2, 0.1,    // truth 0: right
                              0.5, 0.3, 0.1, 0.1,    // truth 1: taken for 0, second
                              0.1, 0.6, 0.2, 0.1,    // truth 1: right
                              0.4, 0.3, 0.2, 0.1,    // truth 2: taken for 0, third
                              0.3, 0.3, 0.3, 0.1}};  // truth 1: of equal ones the first counts: taken for 0, second
const std::vector<int> kTruth = {0, 0, 1, 1, 2, 1};

TEST(Metrics, AgreeWithCountsByHand) {
  const Metrics metrics = measure(kHand, kTruth);
  EXPECT_NEAR(metrics.accuracy, 3.0 / 6, 1e-12);
  EXPECT_NEAR(metrics.top3, 1, 1e-12);
  // Recalls: 2/2, 1/3, 0/1. Class 3 does not occur.
  EXPECT_NEAR(metrics.balanced_accuracy, (1 + 1.0 / 3 + 0) / 3, 1e-12);
  // Predicted: 0 five times, 1 once. F1: 2·2/(2+5), 2·1/(3+1), 0.
  EXPECT_NEAR(metrics.macro_f1, (4.0 / 7 + 2.0 / 4 + 0) / 3, 1e-12);
  const double loss = -(std::log(0.7) + std::log(0.4) + std::log(0.3) + std::log(0.6) + std::log(0.2) + std::log(0.3));
  EXPECT_NEAR(metrics.log_loss, loss / 6, 1e-12);
  // Fifteenths: 0.7 in bin 10, 0.4 and 0.4 in bin 6 (one right), 0.5 in 7, 0.6 in 9, 0.3 in 4.
  const double error =
      std::abs(0.7 - 1) + std::abs(0.8 - 1) + std::abs(0.5 - 0) + std::abs(0.6 - 1) + std::abs(0.3 - 0);
  EXPECT_NEAR(metrics.calibration_error, error / 6, 1e-12);
}

TEST(Metrics, CountTheFourthOfFourAsOutsideTheTopThree) {
  EXPECT_EQ(measure({4, {0.4, 0.3, 0.2, 0.1}}, std::vector<int>{3}).top3, 0);
}

TEST(Confusion, HasTheTruthInItsRows) {
  const std::vector<int> counts = confusion(kHand, kTruth);
  EXPECT_EQ(counts[0 * 4 + 0], 2);
  EXPECT_EQ(counts[1 * 4 + 0], 2);
  EXPECT_EQ(counts[1 * 4 + 1], 1);
  EXPECT_EQ(counts[2 * 4 + 0], 1);
}

TEST(Interval, IsStudentsOverFolds) {
  // Mean 3, standard deviation sqrt(2.5), five folds: 3 ± 2.776 · sqrt(2.5 / 5).
  const Interval interval = interval_of(std::vector<double>{1, 2, 3, 4, 5}, 0);
  EXPECT_NEAR(interval.mean, 3, 1e-12);
  EXPECT_NEAR(interval.high, 3 + 2.776 * std::sqrt(0.5), 1e-9);
  EXPECT_NEAR(interval.low, 3 - 2.776 * std::sqrt(0.5), 1e-9);
  const Interval many = interval_of(std::vector<double>(31, 2.0), 0);
  EXPECT_NEAR(many.low, 2, 1e-12);
}

TEST(Interval, TakesStudentsQuantileOfItsFreedom) {
  // Half widths of 0, 1, 0, 1 …: t · sqrt(variance / n).
  const auto t_of = [](std::size_t n) {
    std::vector<double> values;
    for (std::size_t i = 0; i < n; ++i) values.push_back(static_cast<double>(i % 2));
    const Interval interval = interval_of(values, 0);
    double squares = 0;
    for (const double v : values) squares += (v - interval.mean) * (v - interval.mean);
    const auto count = static_cast<double>(n);
    return (interval.high - interval.mean) / std::sqrt(squares / (count - 1) / count);
  };
  EXPECT_NEAR(t_of(2), 12.706, 1e-9);
  EXPECT_NEAR(t_of(4), 3.182, 1e-9);
  EXPECT_NEAR(t_of(16), 2.131, 1e-9);
  EXPECT_NEAR(t_of(17), 2.120, 1e-3);
  EXPECT_NEAR(t_of(31), 2.042, 1e-3);
  EXPECT_EQ(interval_of(std::vector<double>{0.25}, 0).high, 0.25);
}

TEST(Interval, IsWiderForFoldsThatShareTheirTraining) {
  // Five folds, of which each tests a quarter of what it trains on: variance · (1/5 + 1/4), not variance / 5.
  const std::vector<double> values = {0.5, 0.6, 0.4, 0.55, 0.45};
  const Interval interval = interval_of(values, 0.25);
  const double variance = (0.01 + 0.01 + 0.0025 + 0.0025) / 4;
  EXPECT_NEAR(interval.high - interval.mean, 2.776 * std::sqrt(variance * 0.45), 1e-9);
  EXPECT_NEAR(interval.mean - interval.low, interval.high - interval.mean, 1e-12);
}

TEST(Metrics, MeasureTheSquaredDistanceFromTheTruth) {
  const Probabilities p{2, {0.8, 0.2, 0.4, 0.6}};
  EXPECT_NEAR(measure(p, std::vector<int>{0, 0}).brier, (2 * 0.04 + 2 * 0.36) / 2, 1e-12);
}

TEST(Softmax, DividesByTheTemperature) {
  const Probabilities p = softmax(std::vector<float>{2, 0}, 2, 2);
  EXPECT_NEAR(p.row(0)[0], std::exp(1) / (std::exp(1) + 1), 1e-12);
}

/// Logits and truths drawn from them at a temperature and with a prior, so that the right calibration is known.
struct Drawn {
  std::vector<float> logits;
  std::vector<int> truth;
};

Drawn draw(int items, double temperature, double weight, const std::vector<double>& prior) {
  Random random(17);
  Drawn drawn;
  for (int i = 0; i < items; ++i) {
    std::vector<double> p;
    double total = 0;
    for (const double share : prior) {
      const double logit = 3 * random.normal();
      drawn.logits.push_back(static_cast<float>(logit));
      total += p.emplace_back(std::exp(logit / temperature + weight * std::log(share)));
    }
    double u = random.uniform() * total;
    int t = 0;
    while (t + 1 < static_cast<int>(p.size()) && u > p[static_cast<std::size_t>(t)])
      u -= p[static_cast<std::size_t>(t++)];
    drawn.truth.push_back(t);
  }
  return drawn;
}

/// The probability of each truth.
std::vector<double> of_truth(const Probabilities& probabilities, const std::vector<int>& truth) {
  std::vector<double> out;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    out.push_back(probabilities.row(i)[static_cast<std::size_t>(truth[i])]);
  }
  return out;
}

TEST(ConformalSets, HoldTheTruthAsOftenAsTheySay) {
  const std::vector<double> prior = {0.5, 0.2, 0.2, 0.1};
  const Drawn all = draw(8'000, 1.5, 1, prior);
  const auto part = [&](std::size_t from) {
    return Drawn{{all.logits.begin() + static_cast<std::ptrdiff_t>(4 * from),
                  all.logits.begin() + static_cast<std::ptrdiff_t>(4 * (from + 4000))},
                 {all.truth.begin() + static_cast<std::ptrdiff_t>(from),
                  all.truth.begin() + static_cast<std::ptrdiff_t>(from + 4000)}};
  };
  const Drawn calibration = part(0);
  const Drawn test = part(4000);
  // The sets hold even where the probabilities are wrong: nothing was calibrated here.
  for (const double coverage : {0.8, 0.9, 0.95}) {
    const double threshold = conformal_threshold(of_truth(softmax(calibration.logits, 4), calibration.truth), coverage);
    const Probabilities p = softmax(test.logits, 4);
    int held = 0;
    for (std::size_t i = 0; i < test.truth.size(); ++i) {
      const std::vector<int> set = prediction_set(p.row(i), threshold);
      held += static_cast<int>(std::count(set.begin(), set.end(), test.truth[i]));
    }
    EXPECT_NEAR(held / static_cast<double>(test.truth.size()), coverage, 0.02);
  }
}

TEST(ConformalSets, TakeTheRankOfTheirDefinition) {
  // Nine items, coverage 0.8: floor(0.2 · 10) = 2 may be missed, the second smallest probability is the threshold.
  std::vector<double> of_truth;
  for (int i = 1; i <= 9; ++i) of_truth.push_back(0.1 * i);
  EXPECT_NEAR(conformal_threshold(of_truth, 0.8), 0.2, 1e-12);
  EXPECT_THROW(static_cast<void>(conformal_threshold(of_truth, 0.95)), Error);
}

TEST(ConformalSets, HaveAThresholdForEachGroup) {
  HeldOut held_out;
  for (int i = 1; i <= 9; ++i) {
    held_out.of_truth.push_back(0.1 * i);
    held_out.familiar.push_back(1);
    held_out.of_truth.push_back(0.01 * i);
    held_out.familiar.push_back(0);
  }
  const SetThresholds thresholds = set_thresholds(held_out, 0.8);
  EXPECT_NEAR(thresholds.of(1), 0.2, 1e-12);
  EXPECT_NEAR(thresholds.of(0), 0.02, 1e-12);
  // A group that is too small for the coverage gets the threshold of all: one of 19 may be missed at 0.95.
  const SetThresholds high = set_thresholds(held_out, 0.94);
  EXPECT_EQ(high.of(1), conformal_threshold(held_out.of_truth, 0.94));
  EXPECT_EQ(high.of(0), high.of(1));
}

TEST(PredictionSet, IsOrderedAndNeverEmpty) {
  EXPECT_EQ(prediction_set(std::vector<double>{0.25, 0.5, 0.25}, 0.25).size(), 3U);  // the threshold belongs to the set
  EXPECT_EQ(prediction_set(std::vector<double>{0.2, 0.5, 0.3}, 0.25), (std::vector<int>{1, 2}));
  EXPECT_EQ(prediction_set(std::vector<double>{0.2, 0.5, 0.3}, 0.9), (std::vector<int>{1}));
}

}  // namespace
}  // namespace gyre::raman::metrics_test
