#include "study/risk_control.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>

#include "base/error.hpp"
#include "base/random.hpp"

namespace gyre::risk_control_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

LossTable table_of(const std::vector<std::vector<double>>& by_threshold) {
  LossTable table(by_threshold.front().size(), by_threshold.size());
  for (std::size_t k = 0; k < by_threshold.size(); ++k) {
    std::copy(by_threshold[k].begin(), by_threshold[k].end(), table.at(k).begin());
  }
  return table;
}

/// `ones` documents of `n` that cost 1.
std::vector<double> ones_of(std::size_t ones, std::size_t n) {
  std::vector<double> losses(n);
  std::fill_n(losses.begin(), ones, 1.0);
  return losses;
}

TEST(BinomialCdf, IsTheSumOfItsMasses) {
  // 0.7^10 + 10 0.3 0.7^9 + 45 0.09 0.7^8
  EXPECT_NEAR(binomial_cdf(2, 10, 0.3), 0.0282475249 + 0.121060821 + 0.2334744405, 1e-12);
  EXPECT_NEAR(binomial_cdf(3, 100, 0.05), 0.2578386591160153, 1e-12);
  EXPECT_NEAR(binomial_cdf(0, 45, 0.05), std::pow(0.95, 45), 1e-15);
  EXPECT_EQ(binomial_cdf(10, 10, 0.3), 1);
  EXPECT_EQ(binomial_cdf(-1, 10, 0.3), 0);
  EXPECT_NEAR(binomial_cdf(5000, 100000, 0.05), 0.5, 0.01);  // masses that underflow at 0 count for nothing
}

TEST(PValue, OfBoundedLossesIsTheSmallerOfHoeffdingsAndBentkus) {
  // exp(-100 h(0.025, 0.1)) by hand: h = 0.025 ln 0.25 + 0.975 ln(0.975 / 0.9)
  EXPECT_NEAR(hoeffding_bentkus_p_value(2.5, 100, 0.1),
              std::exp(-100 * (0.025 * std::log(0.25) + 0.975 * std::log(0.975 / 0.9))), 1e-12);
  // Here e P(Binomial(20, 0.4) <= 4) = 0.1385 is below exp(-20 h(0.2, 0.4)) = 0.1604.
  EXPECT_NEAR(hoeffding_bentkus_p_value(4, 20, 0.4), std::exp(1.0) * binomial_cdf(4, 20, 0.4), 1e-12);
  EXPECT_NEAR(hoeffding_bentkus_p_value(4, 20, 0.4), 0.1385017684921986, 1e-12);
  // A part of a loss counts as a whole one in Bentkus' bound.
  EXPECT_GT(hoeffding_bentkus_p_value(4.1, 20, 0.4), 0.16);
}

TEST(PValue, SaysNothingOfAMeanAtTheToleranceOrAbove) {
  EXPECT_EQ(hoeffding_bentkus_p_value(10, 100, 0.1), 1);
  EXPECT_EQ(hoeffding_bentkus_p_value(50, 100, 0.1), 1);
}

TEST(PValue, OfLossesOfZeroAndOneIsExactAndSmaller) {
  EXPECT_NEAR(binomial_p_value(3, 100, 0.05), 0.2578386591160153, 1e-12);
  EXPECT_LT(binomial_p_value(3, 100, 0.05), hoeffding_bentkus_p_value(3, 100, 0.05));
  std::vector<double> tenths(10, 0.1);  // their sum is not quite 1
  EXPECT_EQ(binomial_p_value(std::accumulate(tenths.begin(), tenths.end(), 0.0), 20, 0.3), binomial_cdf(1, 20, 0.3));
}

TEST(BettingBound, IsTheMeanThatTheBettorBeats) {
  // By hand: delta = 1/2, losses 0 and 1/2. The first stake is min(1, sqrt(2 ln 2 / (2 / 4))) = 1; then the mean is
  // (1/2 + 0) / 2 and the variance (1/4 + 1/16) / 2, so the second is 1 too. (1 + mu)(1/2 + mu) = 2.
  const double mu = (-1.5 + std::sqrt(2.25 + 6)) / 2;
  EXPECT_NEAR(betting_upper_bound(std::vector<double>{0, 0.5}, 0.5), mu, 1e-9);
}

TEST(BettingBound, AgreesWithAReferenceInAnotherLanguage) {
  std::vector<double> losses;
  for (int i = 0; i < 60; ++i) losses.push_back(0.1 * (i % 3));
  EXPECT_NEAR(betting_upper_bound(losses, 0.1), 0.14239395263222468, 1e-9);
  EXPECT_NEAR(betting_upper_bound(std::vector<double>(100), 0.1), 0.02379759148115468, 1e-9);
  EXPECT_NEAR(betting_upper_bound(std::vector<double>(5), 0.05), 0.8205642030260804, 1e-9);
  EXPECT_EQ(betting_upper_bound(std::vector<double>{1, 0, 0, 1, 0}, 0.1), 1);
}

TEST(ConformalRisk, CountsOneDocumentMoreThatCostsAll) {
  EXPECT_NEAR(conformal_risk(std::vector<double>{0, 0.5, 0}), 1.5 / 4, 1e-15);
}

TEST(FixedSequence, TakesTheLastThresholdBeforeTheFirstThatFails) {
  // p-values at 0.1 of 100 documents: 0 ones 2.7e-5, 3 ones 0.0078, 6 ones 0.117, 2 ones 0.0019. One published program
  // returns the first index with p > delta, the first threshold that failed: its risk is not controlled.
  const LossTable table = table_of({ones_of(0, 100), ones_of(3, 100), ones_of(6, 100), ones_of(2, 100)});
  const RiskChoice choice = choose_threshold(table, {RiskMethod::learn_then_test, 0.1, 0.1, true});
  EXPECT_EQ(choice.chosen, 1U);
  EXPECT_NEAR(choice.tests[1].evidence, binomial_cdf(3, 100, 0.1), 1e-12);
  EXPECT_NEAR(choice.tests[1].risk, 0.03, 1e-12);
  EXPECT_FALSE(choice.tests[2].passes);
  EXPECT_TRUE(choice.tests[3].passes);  // by itself, but it stands behind one that failed
}

TEST(FixedSequence, TakesTheBoldestWhenAllPassAndNoneWhenTheSafestFails) {
  const RiskTarget target{RiskMethod::learn_then_test, 0.1, 0.1, true};
  EXPECT_EQ(choose_threshold(table_of({ones_of(0, 100), ones_of(3, 100)}), target).chosen, 1U);
  EXPECT_EQ(choose_threshold(table_of({ones_of(9, 100), ones_of(0, 100)}), target).chosen, std::nullopt);
}

TEST(FixedSequence, APValueOfDeltaItselfPasses) {
  const double p = binomial_cdf(3, 100, 0.1);
  const LossTable table = table_of({ones_of(3, 100)});
  EXPECT_EQ(choose_threshold(table, {RiskMethod::learn_then_test, 0.1, p, true}).chosen, 0U);
  EXPECT_EQ(choose_threshold(table, {RiskMethod::learn_then_test, 0.1, p * 0.999, true}).chosen, std::nullopt);
}

TEST(Betting, PassesWhatItsBoundHoldsBelowTheTolerance) {
  const LossTable table = table_of({std::vector<double>(100), std::vector<double>(100, 0.01)});
  const double second = betting_upper_bound(table.at(1), 0.1);
  const RiskChoice choice = choose_threshold(table, {RiskMethod::betting, 0.03, 0.1, false});
  EXPECT_NEAR(choice.tests[0].evidence, 0.02379759148115468, 1e-9);
  EXPECT_NEAR(choice.tests[1].evidence, second, 1e-12);
  EXPECT_EQ(choice.chosen, 0U);
  EXPECT_EQ(choose_threshold(table, {RiskMethod::betting, second + 1e-6, 0.1, false}).chosen, 1U);
}

TEST(Conformal, NeverLetsALossFallFromAThresholdToABolderOne) {
  // Document 1 costs 1 at the second threshold and nothing at the third: it counts there too.
  const LossTable table = table_of({{0, 0, 0, 0}, {1, 0, 0, 0}, {0, 0, 0.5, 0}});
  const RiskChoice choice = choose_threshold(table, {RiskMethod::conformal, 0.4, 0, false});
  EXPECT_NEAR(choice.tests[0].evidence, 0.2, 1e-12);
  EXPECT_NEAR(choice.tests[1].evidence, 0.4, 1e-12);
  EXPECT_NEAR(choice.tests[2].evidence, 0.5, 1e-12);
  EXPECT_NEAR(choice.tests[2].risk, 0.125, 1e-12);  // what is measured is told as it was
  EXPECT_EQ(choice.chosen, 1U);
}

TEST(DocumentsNeeded, IsWhereNoLossAtAllPasses) {
  EXPECT_EQ(documents_needed({RiskMethod::learn_then_test, 0.05, 0.1, false}), 45);
  EXPECT_EQ(documents_needed({RiskMethod::learn_then_test, 0.01, 0.1, true}), 230);
  EXPECT_EQ(documents_needed({RiskMethod::conformal, 0.05, 0.1, false}), 19);
  EXPECT_EQ(documents_needed({RiskMethod::betting, 0.05, 0.1, false}), 48);
  EXPECT_EQ(documents_needed({RiskMethod::betting, 0.01, 0.1, false}), 238);
  EXPECT_EQ(documents_needed({RiskMethod::betting, 0.1, 0.05, false}), 32);
  for (const RiskMethod method : {RiskMethod::learn_then_test, RiskMethod::betting, RiskMethod::conformal}) {
    for (const bool binary : {false, true}) {
      const RiskTarget target{method, 0.05, 0.1, binary};
      const auto n = static_cast<std::size_t>(documents_needed(target));
      EXPECT_TRUE(choose_threshold(LossTable(n, 1), target).chosen) << name_of(method);
      EXPECT_FALSE(choose_threshold(LossTable(n - 1, 1), target).chosen) << name_of(method);
    }
  }
}

TEST(RiskMethods, HaveNames) {
  EXPECT_EQ(parse_risk_method("wsr", "--method"), RiskMethod::betting);
  EXPECT_EQ(name_of(RiskMethod::conformal), "crc");
  EXPECT_THAT([] { parse_risk_method("bayes", "--method"); },
              ThrowsMessage<Error>(HasSubstr("--method: \"bayes\" is no method; choose ltt, wsr or crc")));
}

// Calibrations drawn anew from a known distribution: how often is the true risk of what was chosen above alpha?

constexpr int kDraws = 2000;

/// Losses of one document at every threshold from one uniform number, so that they are as dependent as they can be.
using DrawLosses = std::function<std::vector<double>(Random&)>;

/// The share of draws in which the choice has a true risk above `alpha`.
double violation_rate(const RiskTarget& target, std::size_t documents, const std::vector<double>& true_risks,
                      const DrawLosses& draw, std::uint64_t seed) {
  Random random(seed);
  int violations = 0;
  for (int i = 0; i < kDraws; ++i) {
    LossTable table(documents, true_risks.size());
    for (std::size_t d = 0; d < documents; ++d) {
      const std::vector<double> losses = draw(random);
      for (std::size_t k = 0; k < losses.size(); ++k) table.at(k)[d] = losses[k];
    }
    const auto chosen = choose_threshold(table, target).chosen;
    violations += chosen && true_risks[*chosen] > target.alpha ? 1 : 0;
  }
  return violations / static_cast<double>(kDraws);
}

double standard_error(double rate) { return std::sqrt(rate * (1 - rate) / kDraws); }

const std::vector<double> kRisks = {0.02, 0.05, 0.1001, 0.2};

std::vector<double> coins(Random& random) {
  const double u = random.uniform();
  std::vector<double> losses;
  for (const double risk : kRisks) losses.push_back(u < risk ? 1 : 0);
  return losses;
}

/// A share of twice the risk of the documents costs anything: uniform from 0 to 1.
std::vector<double> shares(Random& random) {
  const double u = random.uniform();
  const double loss = random.uniform();
  std::vector<double> losses;
  for (const double risk : kRisks) losses.push_back(u < 2 * risk ? loss : 0);
  return losses;
}

TEST(Simulation, ExactBinomialTestsAreWrongAsOftenAsTheyMayBe) {
  const RiskTarget target{RiskMethod::learn_then_test, 0.1, 0.1, true};
  const double rate = violation_rate(target, 300, kRisks, coins, 1);
  EXPECT_LE(rate, target.delta + 3 * standard_error(target.delta));
  // What passes at the third threshold, whose risk is just above: up to `most` documents that cost 1.
  std::int64_t most = 0;
  while (binomial_cdf(most + 1, 300, target.alpha) <= target.delta) ++most;
  const double expected = binomial_cdf(most, 300, kRisks[2]);
  EXPECT_GT(expected, 0.05);
  EXPECT_NEAR(rate, expected, 3 * standard_error(expected));
}

TEST(Simulation, BoundedTestsAreWrongNoMoreOftenThanTheyMayBe) {
  const RiskTarget target{RiskMethod::learn_then_test, 0.1, 0.1, false};
  const double of_coins = violation_rate(target, 300, kRisks, coins, 2);
  EXPECT_LE(of_coins, target.delta + 3 * standard_error(target.delta));
  EXPECT_GE(of_coins, 0.02);
  EXPECT_LE(violation_rate(target, 300, kRisks, shares, 3), target.delta + 3 * standard_error(target.delta));
}

TEST(Simulation, BetsAreWrongNoMoreOftenThanTheyMayBeAndNotFarLess) {
  const RiskTarget target{RiskMethod::betting, 0.1, 0.1, false};
  for (const DrawLosses& draw : {DrawLosses(coins), DrawLosses(shares)}) {
    const double rate = violation_rate(target, 150, kRisks, draw, 4);
    EXPECT_LE(rate, target.delta + 3 * standard_error(target.delta));
    EXPECT_GE(rate, 0.06);
  }
}

TEST(Simulation, TheRiskThatConformalControlChoosesIsWithinTheToleranceOnTheAverage) {
  std::vector<double> risks;
  for (int k = 1; k <= 20; ++k) risks.push_back(0.01 * k);
  const RiskTarget target{RiskMethod::conformal, 0.1, 0, false};
  Random random(5);
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    LossTable table(100, risks.size());
    for (std::size_t d = 0; d < table.documents(); ++d) {
      const double u = random.uniform();
      for (std::size_t k = 0; k < risks.size(); ++k) table.at(k)[d] = u < risks[k] ? 1 : 0;
    }
    const auto chosen = choose_threshold(table, target).chosen;
    const double risk = chosen ? risks[*chosen] : 0;
    sum += risk;
    squares += risk * risk;
  }
  const double mean = sum / kDraws;
  const double error = std::sqrt((squares / kDraws - mean * mean) / kDraws);
  EXPECT_LE(mean, target.alpha + 3 * error);
  EXPECT_GE(mean, 0.075);  // the grid steps by 0.01
}

/// What fails once an off-by-one slips in: the threshold behind the last that passed.
TEST(Simulation, TheFirstThresholdThatFailsIsNotControlled) {
  Random random(6);
  const RiskTarget target{RiskMethod::learn_then_test, 0.1, 0.1, true};
  int violations = 0;
  for (int i = 0; i < kDraws; ++i) {
    LossTable table(300, kRisks.size());
    for (std::size_t d = 0; d < table.documents(); ++d) {
      const std::vector<double> losses = coins(random);
      for (std::size_t k = 0; k < losses.size(); ++k) table.at(k)[d] = losses[k];
    }
    const RiskChoice choice = choose_threshold(table, target);
    const std::size_t behind = choice.chosen ? *choice.chosen + 1 : 0;
    violations += kRisks[std::min(behind, kRisks.size() - 1)] > target.alpha ? 1 : 0;
  }
  EXPECT_GT(violations, kDraws * 9 / 10);
}

}  // namespace
}  // namespace gyre::risk_control_test
