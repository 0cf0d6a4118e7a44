#include "study/risk_control.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "base/enum_name.hpp"

namespace gyre {
namespace {

constexpr EnumName<RiskMethod> kMethods[] = {
    {RiskMethod::learn_then_test, "ltt"}, {RiskMethod::betting, "wsr"}, {RiskMethod::conformal, "crc"}};

/// Sums of losses such as 0.1 carry rounding; a whole number is not missed for it.
constexpr double kRounding = 1e-9;

double sum_of(std::span<const double> losses) { return std::accumulate(losses.begin(), losses.end(), 0.0); }

/// a ln(a / b) + (1 - a) ln((1 - a) / (1 - b)), in nats.
double relative_entropy(double a, double b) {
  const double first = a > 0 ? a * std::log(a / b) : 0;
  const double second = a < 1 ? (1 - a) * std::log((1 - a) / (1 - b)) : 0;
  return first + second;
}

/// The most that a bettor against the mean `mu` ever has, in nats: max over t of the sum of ln(1 - nu_s (x_s - mu)).
class Bets {
 public:
  Bets(std::span<const double> losses, double delta) : losses_(losses) {
    const double odds = 2 * std::log(1 / delta) / static_cast<double>(losses.size());
    double sum = 0.5;
    double squares = 0.25;
    double variance = 0.25;
    for (std::size_t t = 0; t < losses.size(); ++t) {
      stakes_.push_back(std::min(1.0, std::sqrt(odds / variance)));
      const auto count = static_cast<double>(t + 2);
      sum += losses[t];
      squares += std::pow(losses[t] - sum / count, 2);
      variance = squares / count;
    }
  }

  [[nodiscard]] double most_won(double mu) const {
    double won = 0;
    double most = -std::numeric_limits<double>::infinity();
    for (std::size_t t = 0; t < losses_.size(); ++t) {
      won += std::log1p(-stakes_[t] * (losses_[t] - mu));
      most = std::max(most, won);
    }
    return most;
  }

 private:
  std::span<const double> losses_;
  std::vector<double> stakes_;  ///< each made of the losses before it alone
};

double evidence_of(std::span<const double> losses, const RiskTarget& target) {
  const auto n = static_cast<std::int64_t>(losses.size());
  switch (target.method) {
    case RiskMethod::learn_then_test:
      return target.binary ? binomial_p_value(sum_of(losses), n, target.alpha)
                           : hoeffding_bentkus_p_value(sum_of(losses), n, target.alpha);
    case RiskMethod::betting:
      return betting_upper_bound(losses, target.delta);
    case RiskMethod::conformal:
      break;
  }
  return conformal_risk(losses);
}

bool is_enough(double evidence, const RiskTarget& target) {
  switch (target.method) {
    case RiskMethod::learn_then_test:
      return evidence <= target.delta;
    case RiskMethod::betting:
      return evidence < target.alpha;
    case RiskMethod::conformal:
      break;
  }
  return evidence <= target.alpha;
}

}  // namespace

RiskMethod parse_risk_method(const std::string& text, const std::string& flag) {
  return parse_enum<RiskMethod>(kMethods, text, flag, "method");
}

std::string_view name_of(RiskMethod method) { return name_of<RiskMethod>(kMethods, method); }

LossTable LossTable::monotone() const {
  LossTable table = *this;
  for (std::size_t k = 1; k < thresholds(); ++k) {
    for (std::size_t i = 0; i < documents_; ++i) {
      table.losses_[k][i] = std::max(table.losses_[k][i], table.losses_[k - 1][i]);
    }
  }
  return table;
}

double binomial_cdf(std::int64_t successes, std::int64_t n, double p) {
  if (successes < 0) return 0;
  if (successes >= n) return 1;
  const double odds = std::log(p) - std::log1p(-p);
  double log_mass = static_cast<double>(n) * std::log1p(-p);
  double sum = std::exp(log_mass);
  for (std::int64_t k = 0; k < successes; ++k) {
    log_mass += std::log(static_cast<double>(n - k) / static_cast<double>(k + 1)) + odds;
    sum += std::exp(log_mass);
  }
  return std::min(1.0, sum);
}

double hoeffding_bentkus_p_value(double sum, std::int64_t n, double alpha) {
  const double mean = std::min(sum / static_cast<double>(n), alpha);
  const double hoeffding = std::exp(-static_cast<double>(n) * relative_entropy(mean, alpha));
  const auto above = static_cast<std::int64_t>(std::ceil(sum - kRounding));
  return std::min({1.0, hoeffding, std::numbers::e * binomial_cdf(above, n, alpha)});
}

double binomial_p_value(double sum, std::int64_t n, double alpha) {
  return binomial_cdf(static_cast<std::int64_t>(std::ceil(sum - kRounding)), n, alpha);
}

double betting_upper_bound(std::span<const double> losses, double delta) {
  const Bets bets(losses, delta);
  const double wanted = std::log(1 / delta);
  if (bets.most_won(1) <= wanted) return 1;
  double low = 0;
  double high = 1;  // a larger mu is beaten by more, whatever the losses
  while (high - low > 1e-12) {
    const double middle = (low + high) / 2;
    (bets.most_won(middle) > wanted ? high : low) = middle;
  }
  return high;
}

double conformal_risk(std::span<const double> losses) {
  return (sum_of(losses) + 1) / static_cast<double>(losses.size() + 1);
}

std::optional<std::size_t> last_before_failure(std::span<const ThresholdTest> tests) {
  const auto failure = std::find_if(tests.begin(), tests.end(), [](const ThresholdTest& test) { return !test.passes; });
  if (failure == tests.begin()) return {};
  return static_cast<std::size_t>(failure - tests.begin()) - 1;
}

RiskChoice choose_threshold(const LossTable& losses, const RiskTarget& target) {
  const LossTable tested = target.method == RiskMethod::conformal ? losses.monotone() : losses;
  RiskChoice choice;
  for (std::size_t k = 0; k < losses.thresholds(); ++k) {
    ThresholdTest test;
    test.risk = sum_of(losses.at(k)) / static_cast<double>(losses.documents());
    test.evidence = evidence_of(tested.at(k), target);
    test.passes = is_enough(test.evidence, target);
    choice.tests.push_back(test);
  }
  choice.chosen = last_before_failure(choice.tests);
  return choice;
}

std::int64_t documents_needed(const RiskTarget& target) {
  const auto whole = [](double number) { return static_cast<std::int64_t>(std::ceil(number - kRounding)); };
  if (target.method == RiskMethod::conformal) return std::max<std::int64_t>(1, whole(1 / target.alpha - 1));
  const double wins = std::log(1 / target.delta);
  if (target.method == RiskMethod::learn_then_test) return whole(wins / -std::log1p(-target.alpha));
  // A bettor stakes little at first, so it takes some more than if every loss of 0 paid ln(1 + alpha).
  const auto passes = [&](std::int64_t n) {
    const std::vector<double> none(static_cast<std::size_t>(n));
    return Bets(none, target.delta).most_won(target.alpha) > wins;
  };
  std::int64_t low = whole(wins / std::log1p(target.alpha)) - 1;
  std::int64_t high = low + 1;
  while (!passes(high)) {
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (passes(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace gyre
