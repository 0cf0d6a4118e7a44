#include "raman/preprocess.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>

#include "base/error.hpp"
#include "base/random.hpp"
#include "raman/augment.hpp"

namespace gyre::raman {
namespace {

using testing::HasSubstr;

/// Bands of the width of lines on 100 … 1400, one point each 1/cm, over a baseline that rises.
Spectrum bands(double slope = 0, double unit = 1) {
  Spectrum spectrum;
  for (int i = 0; i <= 1300; ++i) {
    const double x = 100 + i;
    double y = slope * i;
    for (const double centre : {464.0, 206.0, 1085.0}) y += 100 * std::exp(-0.5 * std::pow((x - centre) / 5, 2));
    spectrum.shifts.push_back(x);
    spectrum.intensities.push_back(unit * y);
  }
  return spectrum;
}

TEST(Resampling, KeepsTheMeanOfAStraightLineInEachCell) {
  Spectrum line;
  for (int i = 0; i < 50; ++i) {
    line.shifts.push_back(100 + 3.7 * i);
    line.intensities.push_back(2 * line.shifts.back() - 5);
  }
  std::size_t first = 0;
  std::size_t count = 0;
  const std::vector<double> grid = resample(line, 110, 270, 17, first, count);
  EXPECT_EQ(first, 0U);
  EXPECT_EQ(count, 17U);
  for (std::size_t i = 0; i < grid.size(); ++i)
    EXPECT_NEAR(grid[i], 2 * (110 + 10.0 * static_cast<double>(i)) - 5, 1e-9);
}

TEST(Resampling, LeavesZeroWhereTheSpectrumDoesNotReach) {
  const Spectrum spectrum = bands(1);
  std::size_t first = 0;
  std::size_t count = 0;
  const std::vector<double> grid = resample(spectrum, 0, 2000, 201, first, count);
  EXPECT_EQ(first, 10U);
  EXPECT_EQ(count, 131U);
  EXPECT_EQ(grid[9], 0);
  EXPECT_EQ(grid[141], 0);
}

TEST(CosmicRays, AreRemovedAndBandsAreNot) {
  Spectrum spectrum = bands(0.01);
  Random random(3);
  for (double& v : spectrum.intensities) v += 0.05 * random.normal();
  const std::vector<double> clean = spectrum.intensities;
  spectrum.intensities[700] += 500;
  spectrum.intensities[364] += 300;  // on top of a band
  remove_cosmic_rays(spectrum.intensities, 8);
  double worst = 0;
  for (std::size_t i = 0; i < clean.size(); ++i) worst = std::max(worst, std::abs(clean[i] - spectrum.intensities[i]));
  EXPECT_LT(worst, 12);
  EXPECT_NEAR(spectrum.intensities[700], clean[700], 1);
}

TEST(Baseline, OfAsymmetricLeastSquaresSolvesItsEquations) {
  // With p = 1/2 every weight is 1/2, and the baseline is the solution of one linear system.
  Random random(5);
  std::vector<double> y(40);
  for (double& v : y) v = random.normal();
  const double lambda = 37;
  Eigen::MatrixXd d = Eigen::MatrixXd::Zero(38, 40);
  for (Eigen::Index i = 0; i < 38; ++i) {
    d(i, i) = 1;
    d(i, i + 1) = -2;
    d(i, i + 2) = 1;
  }
  const Eigen::MatrixXd a = 0.5 * Eigen::MatrixXd::Identity(40, 40) + lambda * d.transpose() * d;
  const Eigen::VectorXd expected = a.ldlt().solve(0.5 * Eigen::Map<const Eigen::VectorXd>(y.data(), 40));
  const std::vector<double> got = als_baseline(y, lambda, 0.5, 2);
  for (Eigen::Index i = 0; i < 40; ++i) EXPECT_NEAR(got[static_cast<std::size_t>(i)], expected(i), 1e-9);
}

TEST(Baseline, IsTakenOffAndBandsStay) {
  Preprocessing config;
  config.normalisation = Normalisation::maximum;
  config.power = 1;
  const std::vector<float> flat = preprocess(bands(0), config);
  for (const Baseline kind : {Baseline::als, Baseline::snip}) {
    config.baseline = kind;
    const std::vector<float> tilted = preprocess(bands(0.1), config);
    double worst = 0;
    for (std::size_t i = 0; i < flat.size(); ++i) worst = std::max(worst, std::abs(double{tilted[i]} - flat[i]));
    EXPECT_LT(worst, 0.12);
  }
  config.baseline = Baseline::none;
  EXPECT_GT(preprocess(bands(0.1), config).back(), 0.5);
}

TEST(Smoothing, KeepsPolynomialsOfItsOrderToTheEnds) {
  std::vector<double> values;
  for (int i = 0; i < 30; ++i) values.push_back(3 - 0.5 * i + 0.1 * i * i);
  const std::vector<double> smoothed = smooth(values, 7, 2);
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(smoothed[i], values[i], 1e-9);
  // The published weights for a quadratic over five points.
  std::vector<double> impulse(11, 0.0);
  impulse[5] = 35;
  const std::vector<double> weights = smooth(impulse, 5, 2);
  EXPECT_NEAR(weights[5], 17, 1e-9);
  EXPECT_NEAR(weights[4], 12, 1e-9);
  EXPECT_NEAR(weights[3], -3, 1e-9);
}

TEST(Normalisation, MakesWhatItsNameSays) {
  const auto normal = [](Normalisation kind) {
    std::vector<double> values = {1, -4, 3, 2};
    normalise(values, kind);
    return values;
  };
  EXPECT_EQ(normal(Normalisation::maximum)[1], -1);
  EXPECT_NEAR(normal(Normalisation::area)[2], 3 / 2.5, 1e-12);
  EXPECT_NEAR(normal(Normalisation::l2)[0], 1 / std::sqrt(30.0), 1e-12);
  const std::vector<double> snv = normal(Normalisation::snv);
  EXPECT_NEAR(snv[0] + snv[1] + snv[2] + snv[3], 0, 1e-12);
  EXPECT_EQ(normal(Normalisation::none)[2], 3);
}

TEST(Preprocessing, DoesNotDependOnTheUnitOfIntensity) {
  const std::vector<float> one = preprocess(bands(0.1), {});
  const std::vector<float> other = preprocess(bands(0.1, 1e5), {});
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(one[i], other[i], 1e-5);
}

TEST(Preprocessing, RefusesSpectraBesideTheGrid) {
  Spectrum spectrum = bands();
  for (double& x : spectrum.shifts) x += 1500;
  EXPECT_THROW(preprocess(spectrum, {}), RejectedSpectrum);
}

TEST(Preprocessing, ComesBackFromItsJson) {
  Preprocessing config;
  config.baseline = Baseline::als;
  config.smoothing = 9;
  config.power = 0.7;
  config.normalisation = Normalisation::snv;
  EXPECT_EQ(parse_preprocessing(to_json(config), "x"), config);
}

TEST(Preprocessing, RefusesWrongSettingsByName) {
  const auto message = [](const char* json) -> std::string {
    try {
      parse_preprocessing(nlohmann::json::parse(json), "config.json: preprocessing");
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(message(R"({"from": 500, "to": 400})"), HasSubstr("to (400)"));
  EXPECT_THAT(message(R"({"smoothing": 4})"), HasSubstr("smoothing"));
  EXPECT_THAT(message(R"({"baseline": "wavelet"})"), HasSubstr("snip"));
  EXPECT_THAT(message(R"({"grid": 4})"), HasSubstr("grid"));
}

TEST(Augmentation, IsAFunctionOfItsSeedAndKeepsTheSize) {
  const std::vector<float> input = preprocess(bands(), {});
  const auto changed = [&](std::uint64_t seed, const Augmentation& config) {
    std::vector<float> copy = input;
    augment(copy, 2.27, config, seed);
    return copy;
  };
  Augmentation config;
  config.share = 1;
  EXPECT_EQ(changed(1, config), changed(1, config));
  EXPECT_NE(changed(1, config), changed(2, config));
  double squares = 0;
  for (const float v : changed(1, config)) squares += double{v} * v;
  EXPECT_NEAR(squares, 1, 1e-4);
  config.share = 0;
  EXPECT_EQ(changed(1, config), input);
}

TEST(Augmentation, ShiftsByAboutItsDeviation) {
  Augmentation config{10, 0, 0, 0, 0, 0, 1};
  std::vector<float> input(512, 0.0F);
  input[256] = 1;
  double squares = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    std::vector<float> copy = input;
    augment(copy, 2, config, seed);
    double centre = 0;
    double total = 0;
    for (std::size_t i = 0; i < copy.size(); ++i) {
      centre += static_cast<double>(i) * copy[i];
      total += copy[i];
    }
    squares += std::pow(2 * (centre / total - 256), 2) / 400;
  }
  EXPECT_NEAR(std::sqrt(squares), 10, 1.5);
}

TEST(Mixup, SharesAreFromOneHalfToOne) {
  double low = 1;
  double sum = 0;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    const double share = mixup_share(0.2, seed);
    EXPECT_GE(share, 0.5);
    EXPECT_LE(share, 1);
    low = std::min(low, share);
    sum += share / 500;
  }
  EXPECT_LT(low, 0.6);
  EXPECT_GT(sum, 0.8);
  EXPECT_EQ(mixup_share(0, 7), 1);
}

}  // namespace
}  // namespace gyre::raman
