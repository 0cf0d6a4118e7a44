#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The boldest of several thresholds whose risk is held below a tolerance, by what n documents cost at each of them.
// Every number here speaks of losses in [0, 1] of documents that are exchangeable with those to come.

namespace gyre {

/// What every document cost at every threshold, thresholds in the order of testing: the safest first.
class LossTable {
 public:
  LossTable(std::size_t documents, std::size_t thresholds)
      : documents_(documents), losses_(thresholds, std::vector<double>(documents)) {}

  [[nodiscard]] std::size_t documents() const { return documents_; }
  [[nodiscard]] std::size_t thresholds() const { return losses_.size(); }
  [[nodiscard]] std::span<double> at(std::size_t threshold) { return losses_[threshold]; }
  [[nodiscard]] std::span<const double> at(std::size_t threshold) const { return losses_[threshold]; }

  /// Losses that never fall from a threshold to a bolder one: of each document the largest so far.
  [[nodiscard]] LossTable monotone() const;

 private:
  std::size_t documents_;
  std::vector<std::vector<double>> losses_;
};

enum class RiskMethod : std::uint8_t {
  learn_then_test,  ///< P(risk <= alpha) >= 1 - delta by p-values (Angelopoulos et al., arXiv 2110.01052)
  betting,          ///< the same by the upper bound of a bet (Waudby-Smith and Ramdas, arXiv 2010.09686)
  conformal,        ///< E[risk] <= alpha, of losses made monotone (Angelopoulos et al., arXiv 2208.02814)
};

/// ltt, wsr or crc. Throws Error naming `flag`.
RiskMethod parse_risk_method(const std::string& text, const std::string& flag);
std::string_view name_of(RiskMethod method);

/// What has to hold.
struct RiskTarget {
  RiskMethod method = RiskMethod::learn_then_test;
  double alpha = 0.05;  ///< the risk that is tolerated
  double delta = 0.1;   ///< how often it may be exceeded; nothing to RiskMethod::conformal
  bool binary = false;  ///< every loss is 0 or 1, so that their sum is binomial
};

/// P(X <= successes) for X ~ Binomial(n, p).
double binomial_cdf(std::int64_t successes, std::int64_t n, double p);

/// Of "the mean of n losses in [0, 1] is above alpha", by their sum: min(exp(-n h(mean, alpha)), e P(Binomial(n, alpha)
/// <= ceil(sum))), h(a, b) the relative entropy of two coins, for a mean below alpha (arXiv 2110.01052).
double hoeffding_bentkus_p_value(double sum, std::int64_t n, double alpha);

/// The same of losses that are 0 or 1: P(Binomial(n, alpha) <= sum), exact.
double binomial_p_value(double sum, std::int64_t n, double alpha);

/// What the mean of losses in [0, 1] is below with a probability of 1 - delta: the least mu that a bettor against it,
/// who goes from loss to loss in this order, beats by 1 / delta (arXiv 2010.09686, with the bets of arXiv 2101.02703).
/// 1 when no mu is beaten.
double betting_upper_bound(std::span<const double> losses, double delta);

/// (n mean + 1) / (n + 1): what conformal risk control holds against alpha (arXiv 2208.02814).
double conformal_risk(std::span<const double> losses);

/// What one threshold came to.
struct ThresholdTest {
  double risk = 0;      ///< mean loss
  double evidence = 0;  ///< p-value, upper bound, or conformal_risk of the monotone losses
  bool passes = false;  ///< by itself
};

struct RiskChoice {
  std::vector<ThresholdTest> tests;
  std::optional<std::size_t> chosen;  ///< none: not even the safest passes
};

/// The boldest threshold of which all safer ones pass too: a fixed sequence of tests, each at the whole level, is
/// stopped by the first that fails, and nothing behind it counts. It needs no risk that grows with the threshold.
RiskChoice choose_threshold(const LossTable& losses, const RiskTarget& target);

/// The last of `passes` before the first that fails.
std::optional<std::size_t> last_before_failure(std::span<const ThresholdTest> tests);

/// The least number of documents with which anything can pass: that which does when none costs anything. For
/// learn_then_test ln(1 / delta) / -ln(1 - alpha), for conformal 1 / alpha - 1.
std::int64_t documents_needed(const RiskTarget& target);

}  // namespace gyre
