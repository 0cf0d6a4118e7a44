#include "study/scores.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/error.hpp"
#include "study/statistics.hpp"

namespace gyre::scores_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::vector<float> logs(std::initializer_list<double> probabilities) {
  std::vector<float> result;
  for (const double p : probabilities) result.push_back(static_cast<float>(std::log(p)));
  return result;
}

TEST(ScoreSums, AreTheLossOfTheTargets) {
  ScoreSums sums;
  sums.add(1, logs({0.5, 0.25, 0.25}));
  sums.add(0, logs({0.5, 0.25, 0.25}));
  EXPECT_EQ(sums.tokens, 2);
  EXPECT_NEAR(sums.cross_entropy, std::log(4.0) + std::log(2.0), 1e-6);
}

TEST(ScoreSums, DivergeFromTheReferenceTowardsTheModel) {
  // KL(reference ‖ model) by hand; the other way round it would be 0.1308.
  const std::vector<float> reference = logs({0.5, 0.5});
  const std::vector<float> model = logs({0.25, 0.75});
  ScoreSums sums;
  sums.compare(0, reference, model);
  EXPECT_NEAR(sums.kl, 0.5 * std::log(2.0) + 0.5 * std::log(2.0 / 3), 1e-6);  // 0.1438
  EXPECT_NEAR(sums.reference_cross_entropy, std::log(2.0), 1e-6);
  EXPECT_EQ(sums.same_choice, 0);  // of equals the first is taken
  sums.compare(1, logs({0.4, 0.6}), model);
  EXPECT_EQ(sums.same_choice, 1);
  EXPECT_NEAR(sums.reference_cross_entropy, std::log(2.0) - std::log(0.6), 1e-6);
  EXPECT_EQ(sums.tokens, 0);
}

TEST(ScoreOf, IsByTokenAndNotByWindow) {
  ScoreSums a;
  a.tokens = 3;
  a.cross_entropy = 6;
  a.bytes = 5;
  a.milliseconds = 12;
  a.kl = 0.3;
  a.reference_cross_entropy = 4.5;
  a.same_choice = 2;
  ScoreSums b;
  b.tokens = 1;
  b.cross_entropy = 1;
  b.bytes = 3;
  b.milliseconds = 8;
  b.kl = 0.1;
  b.reference_cross_entropy = 0.5;
  b.same_choice = 1;
  const TextScore score = score_of(std::vector{a, b});
  EXPECT_EQ(score.tokens, 4);
  EXPECT_DOUBLE_EQ(score.cross_entropy, 1.75);
  EXPECT_DOUBLE_EQ(score.perplexity, std::exp(1.75));
  EXPECT_DOUBLE_EQ(score.bits_per_byte, 7 / std::log(2.0) / 8);
  EXPECT_DOUBLE_EQ(score.milliseconds_per_token, 5);
  EXPECT_DOUBLE_EQ(score.kl, 0.1);
  EXPECT_DOUBLE_EQ(score.reference_cross_entropy, 1.25);
  EXPECT_DOUBLE_EQ(score.same_choice, 0.75);
  // Resamples of the two are both a, one of each, or both b: 2, 1.75 or 1.
  EXPECT_DOUBLE_EQ(score.cross_entropy_low, 1);
  EXPECT_DOUBLE_EQ(score.cross_entropy_high, 2);
  // Half a nat a token more than the reference, in both windows alike.
  EXPECT_DOUBLE_EQ(score.rise.value, 0.5);
  EXPECT_DOUBLE_EQ(score.rise.interval.low, 0.5);
  EXPECT_DOUBLE_EQ(score.rise.interval.high, 0.5);
}

TEST(ScoreOf, HasTheIntervalOfItsWindows) {
  std::vector<ScoreSums> windows;
  std::vector<double> losses;
  std::vector<double> tokens;
  for (int w = 0; w < 12; ++w) {
    ScoreSums sums;
    sums.tokens = 1 + w % 3;
    sums.cross_entropy = 0.5 * w * w;
    windows.push_back(sums);
    losses.push_back(sums.cross_entropy);
    tokens.push_back(static_cast<double>(sums.tokens));
  }
  windows.emplace_back();  // a window without a scored position says nothing
  const TextScore score = score_of(windows);
  const Interval interval = bootstrap_ratio(losses, tokens, 1);
  EXPECT_EQ(score.cross_entropy_low, interval.low);
  EXPECT_EQ(score.cross_entropy_high, interval.high);
}

TEST(ScoreOf, OneWindowHasNoInterval) {
  ScoreSums sums;
  sums.tokens = 2;
  sums.cross_entropy = 3;
  const TextScore score = score_of(std::vector{sums});
  EXPECT_EQ(score.cross_entropy, 1.5);
  EXPECT_TRUE(std::isnan(score.cross_entropy_low));
  EXPECT_TRUE(std::isnan(score.cross_entropy_high));
}

TEST(LogProbabilities, OfLogitsThatAreNotFiniteAreRefusedByTheirToken) {
  std::vector<float> out(2);
  log_probabilities(std::vector<float>{0.0F, std::log(3.0F)}, out, 0);
  EXPECT_NEAR(out[1], std::log(0.75), 1e-6);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity}) {
    EXPECT_THAT(
        [&] {
          log_probabilities(std::vector<float>{0.0F, bad}, out, 17);
        },
        ThrowsMessage<Error>(HasSubstr("token 17 (from 0) of the text")));
  }
}

TEST(Likeliest, IsTheFirstOfEquals) {
  EXPECT_EQ(likeliest(std::vector<float>{1, 3, 3, 2}), 1U);
  EXPECT_EQ(likeliest(std::vector<float>{-5, -4}), 1U);
}

}  // namespace
}  // namespace gyre::scores_test
