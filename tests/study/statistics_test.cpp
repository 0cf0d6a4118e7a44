#include "study/statistics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/random.hpp"
#include "engine/probabilities.hpp"
#include "study/dynamics.hpp"
#include "study/principal_plane.hpp"

namespace gyre::statistics_test {
namespace {

TEST(LogSoftmax, OfHugeLogitsIsExact) {
  const std::vector<float> logits = {1000, 1000 + std::log(3.0F), -1000};
  std::vector<float> out(3);
  log_softmax(logits, out);
  EXPECT_NEAR(out[0], std::log(0.25F), 1e-4);
  EXPECT_NEAR(out[1], std::log(0.75F), 1e-4);
  EXPECT_LT(out[2], -1900);
}

TEST(KlDivergence, OfKnownDistributions) {
  const std::vector<float> p = {std::log(0.5F), std::log(0.5F)};
  const std::vector<float> q = {std::log(0.25F), std::log(0.75F)};
  EXPECT_NEAR(kl_divergence(p, q), 0.5 * std::log(2.0) + 0.5 * std::log(2.0 / 3), 1e-6);
  EXPECT_NEAR(kl_divergence(q, p), 0.25 * std::log(0.5) + 0.75 * std::log(1.5), 1e-6);
  EXPECT_EQ(kl_divergence(p, p), 0);
}

TEST(Entropy, OfKnownDistributions) {
  EXPECT_NEAR(entropy(std::vector<float>(8, std::log(0.125F))), 3 * std::numbers::ln2, 1e-6);
  EXPECT_NEAR(entropy(std::vector<float>{0.0F, -200.0F}), 0, 1e-12);
}

TEST(Quantile, InterpolatesBetweenNeighbours) {
  std::vector<double> values = {4, 1, 3, 2};
  EXPECT_DOUBLE_EQ(quantile(values, 0), 1);
  EXPECT_DOUBLE_EQ(quantile(values, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile(values, 0.25), 1.75);
  EXPECT_DOUBLE_EQ(quantile(values, 1), 4);
  EXPECT_EQ(values, (std::vector<double>{1, 2, 3, 4}));
  std::vector<double> one = {7};
  EXPECT_DOUBLE_EQ(quantile(one, 0.9), 7);
}

TEST(SpreadOf, GivesMeanAndDeciles) {
  std::vector<double> values(11);
  std::iota(values.begin(), values.end(), 0.0);
  const Spread spread = spread_of(values);
  EXPECT_DOUBLE_EQ(spread.mean, 5);
  EXPECT_DOUBLE_EQ(spread.p10, 1);
  EXPECT_DOUBLE_EQ(spread.p50, 5);
  EXPECT_DOUBLE_EQ(spread.p90, 9);
  EXPECT_EQ(spread_of({}).mean, 0);
}

TEST(BootstrapRatio, HoldsTheRatioAndNarrowsWithMoreData) {
  Random random(3);
  const auto interval_of = [&](int windows) {
    std::vector<double> losses;
    std::vector<double> tokens;
    for (int i = 0; i < windows; ++i) {
      tokens.push_back(10);
      losses.push_back(20 + 3 * random.normal());
    }
    const double ratio = std::accumulate(losses.begin(), losses.end(), 0.0) / (10.0 * windows);
    const Interval interval = bootstrap_ratio(losses, tokens, 1);
    EXPECT_LT(interval.low, ratio);
    EXPECT_GT(interval.high, ratio);
    // Two standard errors on either side, give or take.
    EXPECT_NEAR(interval.high - interval.low, 2 * 1.96 * 0.3 / std::sqrt(windows), 0.3 / std::sqrt(windows));
    return interval.high - interval.low;
  };
  EXPECT_GT(interval_of(30), interval_of(300));
}

TEST(BootstrapRatio, OfFewerThanTwoWindowsIsUnknown) {
  const std::vector<double> loss = {6};
  const std::vector<double> tokens = {3};
  const Interval interval = bootstrap_ratio(loss, tokens, 1);
  EXPECT_TRUE(std::isnan(interval.low));
  EXPECT_TRUE(std::isnan(interval.high));
  EXPECT_TRUE(std::isnan(bootstrap_ratio({}, {}, 1).low));
}

TEST(BootstrapRatio, LeavesATwentiethOutsideHalfOnEitherSide) {
  // Of ten windows of one token with losses 0 or 1, three with 1, a resample's mean is binomial(10, 0.3) / 10:
  // P(0) = 0.028 and P(more than 6) = 0.0106, P(6) = 0.037. So the ends are 0 and 0.6.
  const std::vector<double> losses = {1, 1, 1, 0, 0, 0, 0, 0, 0, 0};
  const std::vector<double> tokens(10, 1.0);
  const Interval interval = bootstrap_ratio(losses, tokens);
  EXPECT_DOUBLE_EQ(interval.low, 0);
  EXPECT_DOUBLE_EQ(interval.high, 0.6);
}

TEST(BootstrapRatio, IsThatOfItsSeed) {
  std::vector<double> losses;
  std::vector<double> tokens;
  for (int i = 0; i < 40; ++i) {
    losses.push_back(i * i % 17);
    tokens.push_back(1 + i % 3);
  }
  // The same, written down once more.
  const auto resampled = [&](std::uint64_t seed) {
    Random random(seed);
    std::vector<double> ratios;
    for (int i = 0; i < 1000; ++i) {
      double above = 0;
      double below = 0;
      for (std::size_t j = 0; j < 40; ++j) {
        const std::size_t pick = random.below(40);
        above += losses[pick];
        below += tokens[pick];
      }
      ratios.push_back(above / below);
    }
    std::sort(ratios.begin(), ratios.end());
    // Shares 0.025 and 0.975 of 999 gaps between 1000 numbers.
    return Interval{ratios[24] + 0.975 * (ratios[25] - ratios[24]), ratios[974] + 0.025 * (ratios[975] - ratios[974])};
  };
  for (const std::uint64_t seed : {1U, 2U}) {
    EXPECT_NEAR(bootstrap_ratio(losses, tokens, seed).low, resampled(seed).low, 1e-9);
    EXPECT_NEAR(bootstrap_ratio(losses, tokens, seed).high, resampled(seed).high, 1e-9);
  }
  EXPECT_NE(resampled(1).low, resampled(2).low);
  EXPECT_EQ(bootstrap_ratio(losses, tokens).low, bootstrap_ratio(losses, tokens, 1).low);
}

TEST(Bootstrap, PairsWhatItResamples) {
  // Documents differ by far more than the two rules do, which differ by the same everywhere.
  const std::vector<double> a = {10.5, 200.5, 3000.5, 40000.5};
  const std::vector<double> b = {10, 200, 3000, 40000};
  const std::vector<double> tokens = {1, 1, 1, 1};
  const Bootstrap bootstrap(4);
  const Estimate difference = bootstrap.difference(a, b, tokens);
  EXPECT_DOUBLE_EQ(difference.value, 0.5);
  EXPECT_DOUBLE_EQ(difference.interval.low, 0.5);
  EXPECT_DOUBLE_EQ(difference.interval.high, 0.5);
  EXPECT_EQ(difference.units, 4U);
  EXPECT_LT(bootstrap.ratio(a, tokens).interval.low, 10000);  // of one rule by itself
  EXPECT_GT(bootstrap.ratio(a, tokens).interval.high, 11000);
}

TEST(Bootstrap, TakesEveryUnitOnceForTheValueAndLeavesOutWhatIsNotFinite) {
  std::vector<double> seen;
  const Estimate estimate = Bootstrap(2).of([&](std::span<const double> times) {
    seen.assign(times.begin(), times.end());
    EXPECT_EQ(times[0] + times[1], 2);
    return times[0] == 0 ? std::numeric_limits<double>::quiet_NaN() : times[0];
  });
  EXPECT_EQ(estimate.value, 1);
  EXPECT_EQ(estimate.interval.low, 1);  // of 1 and 2; where the first unit is not drawn there is nothing
  EXPECT_EQ(estimate.interval.high, 2);
  EXPECT_TRUE(std::isnan(Bootstrap(1).of([](auto) { return 3.0; }).interval.low));
}

TEST(Bootstrap, MedianIsOverTheValuesOfAllUnits) {
  const std::vector<std::vector<double>> values = {{1, 2, 30}, {4}, {}};
  EXPECT_DOUBLE_EQ(Bootstrap(3).median(values).value, 3);  // between 2 and 4
  const std::vector<std::vector<double>> odd = {{5, 1}, {3}};
  const Estimate median = Bootstrap(2).median(odd);
  EXPECT_DOUBLE_EQ(median.value, 3);
  // Twice the first unit: 1, 1, 5, 5; twice the second: 3, 3; both: 1, 3, 5. All have 3 in the middle.
  EXPECT_DOUBLE_EQ(median.interval.low, 3);
  EXPECT_DOUBLE_EQ(median.interval.high, 3);
  const std::vector<std::vector<double>> apart = {{0, 0, 0}, {1, 1}};
  const Estimate wide = Bootstrap(2).median(apart);
  EXPECT_DOUBLE_EQ(wide.value, 0);
  EXPECT_DOUBLE_EQ(wide.interval.low, 0);
  EXPECT_DOUBLE_EQ(wide.interval.high, 1);  // a quarter of the resamples hold the second unit alone
}

TEST(SideOf, IsUnclearWhereTheIntervalCrossesOrIsMissing) {
  EXPECT_EQ(side_of({0.2, {0.1, 0.3}, 9}, 0), Side::above);
  EXPECT_EQ(side_of({-0.2, {-0.3, -0.1}, 9}, 0), Side::below);
  EXPECT_EQ(side_of({0.2, {-0.1, 0.5}, 9}, 0), Side::unclear);
  EXPECT_EQ(side_of({0.2, {0, 0.5}, 9}, 0), Side::unclear);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(side_of({0.2, {nan, nan}, 9}, 0), Side::unclear);
  EXPECT_EQ(side_of({0.2, {0.1, 0.3}, 6}, 0), Side::above);
  EXPECT_EQ(side_of({0.2, {0.1, 0.3}, 5}, 0), Side::unclear);  // 1 in 16 go all one way by chance
  EXPECT_EQ(name_of(Side::above), "above");
  EXPECT_EQ(name_of(Side::unclear), "unclear");
}

TEST(PrincipalPlane, FindsThePlaneOfItsPoints) {
  // An ellipse in the plane of two directions at right angles, far from the origin.
  const std::vector<double> u = {0.5, 0.5, 0.5, 0.5, 0};
  const std::vector<double> v = {0.5, -0.5, 0.5, -0.5, 0};
  std::vector<float> points;
  std::vector<double> along;
  std::vector<double> across;
  for (int i = 0; i < 12; ++i) {
    along.push_back(3 * std::cos(std::numbers::pi * i / 6));
    across.push_back(std::sin(std::numbers::pi * i / 6));
    for (std::size_t c = 0; c < 5; ++c)
      points.push_back(static_cast<float>(10 + along.back() * u[c] + across.back() * v[c]));
  }
  const PrincipalPlane plane = principal_plane(points, 5);
  ASSERT_EQ(plane.x.size(), 12U);
  EXPECT_NEAR(plane.explained_first, 0.9, 1e-5);
  EXPECT_NEAR(plane.explained_second, 0.1, 1e-5);
  // Axes point from the first point to the last, whose x is less and whose y is less than the first's.
  const double x_sign = -1;
  const double y_sign = -1;
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_NEAR(x_sign * plane.x[i], along[i], 1e-4);
    EXPECT_NEAR(y_sign * plane.y[i], across[i], 1e-4);
  }
}

TEST(PrincipalPlane, PointsFromTheFirstPointToTheLast) {
  const std::vector<float> forth = {0, 0, 1, 1, 2, 0, 5, 1};
  std::vector<float> back;
  for (const std::size_t i : {3U, 2U, 1U, 0U}) back.insert(back.end(), {forth[2 * i], forth[2 * i + 1]});
  for (const std::vector<float>& points : {forth, back}) {
    const PrincipalPlane plane = principal_plane(points, 2);
    EXPECT_GT(plane.x[3], plane.x[0] + 4);
    EXPECT_GE(plane.y[3], plane.y[0]);
  }
}

TEST(PrincipalPlane, OfEqualPointsIsAPoint) {
  const PrincipalPlane plane = principal_plane(std::vector<float>(12, 2.0F), 4);
  for (const double x : plane.x) EXPECT_NEAR(x, 0, 1e-9);
  for (const double y : plane.y) EXPECT_NEAR(y, 0, 1e-9);
  EXPECT_TRUE(std::isfinite(plane.explained_first));
}

}  // namespace
}  // namespace gyre::statistics_test
