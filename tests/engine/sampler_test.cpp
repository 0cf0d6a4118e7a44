#include "engine/sampler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "base/error.hpp"

namespace gyre::sampler_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// Logits of the probabilities 0.5, 0.25, 0.15, 0.1, out of order.
const std::vector<float> kLogits = {std::log(0.15F), std::log(0.5F), std::log(0.1F), std::log(0.25F)};

std::vector<int> counts_of(const SamplingOptions& options, const std::vector<float>& logits, int draws,
                           const std::vector<std::int32_t>& text = {}) {
  Sampler sampler(options);
  std::vector<int> counts(logits.size());
  for (int i = 0; i < draws; ++i) ++counts[static_cast<std::size_t>(sampler.draw(logits, text))];
  return counts;
}

std::set<std::size_t> drawn(const SamplingOptions& options, const std::vector<std::int32_t>& text = {}) {
  const std::vector<int> counts = counts_of(options, kLogits, 2000, text);
  std::set<std::size_t> tokens;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) tokens.insert(i);
  }
  return tokens;
}

SamplingOptions plain() {
  SamplingOptions options;
  options.temperature = 1;
  return options;
}

using Tokens = std::set<std::size_t>;

TEST(Sampler, TemperatureZeroTakesTheLikeliestAndTheFirstOfEquals) {
  SamplingOptions options;
  options.temperature = 0;
  EXPECT_EQ(drawn(options), (Tokens{1}));
  EXPECT_EQ(Sampler(options).draw(std::vector<float>{1, 3, 3}, {}), 1);
}

TEST(Sampler, DrawsInTheSharesOfTheProbabilities) {
  constexpr int kDraws = 20000;
  const std::vector<int> counts = counts_of(plain(), kLogits, kDraws);
  double chi_square = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double wanted = kDraws * std::exp(static_cast<double>(kLogits[i]));
    chi_square += std::pow(counts[i] - wanted, 2) / wanted;
  }
  EXPECT_LT(chi_square, 27);  // three degrees of freedom: exceeded once in 170 000 seeds
}

TEST(Sampler, TemperatureTwoFlattensAsItsSquareRoot) {
  SamplingOptions options = plain();
  options.temperature = 2;
  constexpr int kDraws = 20000;
  const std::vector<int> counts = counts_of(options, kLogits, kDraws);
  double total = 0;
  for (const float logit : kLogits) total += std::exp(static_cast<double>(logit) / 2);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double share = std::exp(static_cast<double>(kLogits[i]) / 2) / total;
    EXPECT_NEAR(counts[i], kDraws * share, 5 * std::sqrt(kDraws * share * (1 - share)));
  }
}

TEST(Sampler, ExtremeTemperaturesStayDefined) {
  SamplingOptions options = plain();
  options.temperature = 1e-30F;
  EXPECT_EQ(drawn(options), (Tokens{1}));
  options.temperature = 100;
  EXPECT_EQ(drawn(options), (Tokens{0, 1, 2, 3}));
}

TEST(Sampler, TopKKeepsTheLikeliest) {
  SamplingOptions options = plain();
  options.top_k = 2;
  EXPECT_EQ(drawn(options), (Tokens{1, 3}));
  options.top_k = 100;
  EXPECT_EQ(drawn(options), (Tokens{0, 1, 2, 3}));
}

TEST(Sampler, TopPKeepsTheFewestThatReachTheProbability) {
  SamplingOptions options = plain();
  options.top_p = 0.7F;
  EXPECT_EQ(drawn(options), (Tokens{1, 3}));
  options.top_p = 0.8F;
  EXPECT_EQ(drawn(options), (Tokens{0, 1, 3}));
  options.top_p = 0;
  EXPECT_EQ(drawn(options), (Tokens{1}));
}

TEST(Sampler, TopPCountsTheProbabilityThatTopKLeft) {
  // Of 0.5 and 0.25 that are left the first is two thirds: enough for 0.6, which it would not be of the whole.
  SamplingOptions options = plain();
  options.top_k = 2;
  options.top_p = 0.6F;
  EXPECT_EQ(drawn(options), (Tokens{1}));
  options.top_p = 0.7F;
  EXPECT_EQ(drawn(options), (Tokens{1, 3}));
}

TEST(Sampler, RefusesLogitsThatAreNotFinite) {
  for (const float temperature : {0.0F, 1.0F}) {
    SamplingOptions options;
    options.temperature = temperature;
    for (const float wrong : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
      EXPECT_THAT(
          [&] {
            Sampler(options).draw(std::vector<float>{1, 2, wrong, 3}, {});
          },
          ThrowsMessage<Error>(HasSubstr("the logit of token 2 is ")));
    }
  }
}

TEST(Sampler, PenalisesNothingBehindTheTokensThatMayBeDrawn) {
  SamplingOptions options;
  options.temperature = 0;
  options.repetition_penalty = 2;
  EXPECT_EQ(Sampler(options).draw(std::vector<float>{3, 2}, std::vector<std::int32_t>{7, -1}), 0);
}

TEST(Sampler, MinPDropsWhatIsFarBelowTheLikeliest) {
  SamplingOptions options = plain();
  options.min_p = 0.4F;  // of 0.5: below 0.2
  EXPECT_EQ(drawn(options), (Tokens{1, 3}));
  options.min_p = 1;
  EXPECT_EQ(drawn(options), (Tokens{1}));
}

TEST(Sampler, TheRepetitionPenaltyDividesOrMultipliesOnceAToken) {
  SamplingOptions options;
  options.temperature = 0;
  options.repetition_penalty = 2;
  // 3 halves to 1.5, below 2; however often the token stood there.
  EXPECT_EQ(Sampler(options).draw(std::vector<float>{3, 2}, std::vector<std::int32_t>{0, 0, 0}), 1);
  EXPECT_EQ(Sampler(options).draw(std::vector<float>{3, 1}, std::vector<std::int32_t>{0, 0, 0}), 0);
  // Below zero the penalty must lower too: -1 becomes -2.
  EXPECT_EQ(Sampler(options).draw(std::vector<float>{-1, -1.5F}, std::vector<std::int32_t>{0}), 1);
}

TEST(Sampler, PenaltiesOfWhatWasDrawnLeaveThePromptAlone) {
  SamplingOptions options{.temperature = 1, .presence_penalty = 0.5F, .frequency_penalty = 0.25F, .drawn_from = 2};
  const std::vector<float> logits = {1, 2, 3, 4};
  // Token 3 is in the prompt alone, token 1 was drawn twice, token 2 once.
  const std::vector<double> shares = Sampler(options).probabilities(logits, std::vector<std::int32_t>{3, 1, 1, 2, 1});
  std::vector<double> expected = {std::exp(1.0), std::exp(2 - 0.5 - 2 * 0.25), std::exp(3 - 0.5 - 0.25), std::exp(4.0)};
  const double total = std::accumulate(expected.begin(), expected.end(), 0.0);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(shares[i], expected[i] / total, 1e-6) << i;
  options.temperature = 0;
  options.frequency_penalty = -2;  // what was drawn is wanted more
  EXPECT_EQ(Sampler(options).draw(logits, std::vector<std::int32_t>{3, 3, 1, 1}), 1);
  EXPECT_EQ(Sampler(options).draw(logits, std::vector<std::int32_t>{1, 1}), 3);
}

TEST(Sampler, ABiasIsAddedToItsTokens) {
  SamplingOptions options;
  options.temperature = 0;
  options.bias = {{0, 2.5F}, {2, -1.0F}, {9, 5.0F}, {-1, 5.0F}};  // the last two are no tokens
  EXPECT_EQ(Sampler(options).draw(std::vector<float>{1, 3, 3}, {}), 0);
  options.bias = {{1, -0.5F}};
  EXPECT_EQ(Sampler(options).draw(std::vector<float>{1, 3, 3}, {}), 2);
}

TEST(Sampler, DrawsOnlyWhatAMaskAllows) {
  const std::vector<std::uint8_t> allowed = {1, 0, 1, 0};  // of probabilities 0.15 and 0.1
  for (const int top_k : {0, 3}) {
    SamplingOptions options = plain();
    options.top_k = top_k;
    Sampler sampler(options);
    std::vector<int> counts(4);
    for (int i = 0; i < 20000; ++i) ++counts[static_cast<std::size_t>(sampler.draw(kLogits, {}, allowed))];
    EXPECT_EQ(counts[1], 0);
    EXPECT_EQ(counts[3], 0);
    EXPECT_NEAR(counts[0], 20000 * 0.6, 5 * std::sqrt(20000 * 0.6 * 0.4));
  }
  SamplingOptions greedy;
  greedy.temperature = 0;
  EXPECT_EQ(Sampler(greedy).draw(kLogits, {}, allowed), 0);
  EXPECT_THAT([&] { Sampler(greedy).draw(kLogits, {}, std::vector<std::uint8_t>(4, 0)); },
              ThrowsMessage<Error>(HasSubstr("no token may be drawn")));
  EXPECT_THAT([&] { Sampler(greedy).draw(kLogits, {}, std::vector<std::uint8_t>(3, 1)); },
              ThrowsMessage<Error>(HasSubstr("a mask of 3 tokens for a vocabulary of 4")));
}

/// A vocabulary of many blocks against shares worked out one by one.
TEST(Sampler, OfAWideVocabularyDrawsInTheSharesOfTheFilters) {
  constexpr std::size_t kSize = 5000;
  std::vector<float> logits(kSize, -20.0F);
  const std::vector<std::pair<std::size_t, double>> likely = {{4999, 0.4}, {0, 0.3}, {1024, 0.2}, {2500, 0.1}};
  for (const auto& [token, share] : likely) logits[token] = static_cast<float>(std::log(share));
  struct Case {
    int top_k;
    float top_p;
    float min_p;
    std::size_t kept;
  };
  for (const Case& one : {Case{0, 1, 0, 4}, Case{3, 1, 0, 3}, Case{0, 0.65F, 0, 2}, Case{0, 1, 0.4F, 3},
                          Case{4, 0.85F, 0.6F, 2}, Case{300, 1, 0, 4}, Case{0, 0.9999999F, 0, 4}}) {
    SamplingOptions options = plain();
    options.top_k = one.top_k;
    options.top_p = one.top_p;
    options.min_p = one.min_p;
    const std::vector<int> counts = counts_of(options, logits, 4000);
    double whole = 0;
    for (std::size_t i = 0; i < one.kept; ++i) whole += likely[i].second;
    for (std::size_t i = 0; i < likely.size(); ++i) {
      const double share = i < one.kept ? likely[i].second / whole : 0;
      EXPECT_NEAR(counts[likely[i].first], 4000 * share, 5 * std::sqrt(4000 * share * (1 - share)) + 1)
          << one.top_k << ' ' << one.top_p << ' ' << one.min_p << ", token " << likely[i].first;
    }
  }
}

/// The fewest tokens that reach the probability, however many they are.
TEST(Sampler, TopPOfAFlatDistributionKeepsAsManyAsItTakes) {
  const std::vector<float> flat(3000, 0.5F);
  SamplingOptions options = plain();
  options.top_p = 0.5F;
  Sampler sampler(options);
  std::int32_t last = 0;
  for (int i = 0; i < 20000; ++i) last = std::max(last, sampler.draw(flat, {}));
  EXPECT_LT(last, 1505);
  EXPECT_GT(last, 1480);
}

TEST(TokenProbabilities, AreThoseOfTheModel) {
  const std::vector<TokenProbability> found = probabilities_of(kLogits, 2, 2);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].token, 2);
  EXPECT_NEAR(found[0].log_probability, std::log(0.1F), 1e-5F);
  EXPECT_EQ(found[1].token, 1);
  EXPECT_NEAR(found[1].log_probability, std::log(0.5F), 1e-5F);
  EXPECT_EQ(found[2].token, 3);
  EXPECT_NEAR(found[2].log_probability, std::log(0.25F), 1e-5F);
  EXPECT_EQ(probabilities_of(kLogits, 0, 99).size(), 5U);
}

TEST(Sampler, TheSameSeedDrawsTheSame) {
  const auto draw = [](std::uint64_t seed) {
    SamplingOptions options = plain();
    options.seed = seed;
    Sampler sampler(options);
    std::vector<std::int32_t> tokens;
    for (int i = 0; i < 64; ++i) tokens.push_back(sampler.draw(kLogits, {}));
    return tokens;
  };
  EXPECT_EQ(draw(3), draw(3));
  EXPECT_NE(draw(3), draw(4));
}

}  // namespace
}  // namespace gyre::sampler_test
