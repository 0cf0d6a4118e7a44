#include "raman/preprocess.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/random.hpp"
#include "raman/augment.hpp"

namespace gyre::raman::preprocess_test {
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

TEST(Baseline, OfSnipClipsFromTheWidestWindowToTheNarrowest) {
  const std::vector<double> plateau = {0, 8, 8, 8, 0};
  for (const double v : snip_baseline(plateau, 2)) EXPECT_NEAR(v, 0, 1e-9);
  // One point each way: the shoulders come down to the mean of 0 and 8 in the double logarithm of the square root.
  const auto squeezed = [](double y) { return std::log(std::log(std::sqrt(y + 1) + 1) + 1); };
  const double middle = std::exp(std::exp(0.5 * (squeezed(0) + squeezed(8))) - 1) - 1;
  const std::vector<double> narrow = snip_baseline(plateau, 1);
  EXPECT_NEAR(narrow[0], 0, 1e-9);
  EXPECT_NEAR(narrow[1], middle * middle - 1, 1e-9);
  EXPECT_NEAR(narrow[2], 8, 1e-9);
  EXPECT_NEAR(narrow[3], middle * middle - 1, 1e-9);
}

TEST(Baseline, OfAsymmetricLeastSquaresLiesBelowTheBands) {
  // Points above it weigh p, those below 1 - p: with a small p it follows the floor.
  std::vector<double> values(60, 1.0);
  for (std::size_t i = 25; i < 32; ++i) values[i] = 11;
  const std::vector<double> low = als_baseline(values, 100, 0.001, 10);
  const std::vector<double> middle = als_baseline(values, 100, 0.5, 10);
  EXPECT_NEAR(low[28], 1, 0.2);
  EXPECT_GT(middle[28], 3);
}

TEST(Preprocessing, TakesItsStepsInOrderWithItsSettings) {
  Preprocessing config;
  config.from = 200;
  config.to = 1200;
  config.points = 101;
  config.snip_width = 34;  // 3.4 points of 10 1/cm: 3
  config.smoothing = 5;
  config.smoothing_order = 2;
  config.power = 0.7;
  config.normalisation = Normalisation::snv;
  for (const Baseline kind : {Baseline::none, Baseline::snip, Baseline::als}) {
    config.baseline = kind;
    Spectrum spectrum = bands(0.1, 3);
    spectrum.intensities[650] += 9000;  // a cosmic ray
    const std::vector<float> got = preprocess(spectrum, config);
    normalise(spectrum.intensities, Normalisation::maximum);
    for (double& v : spectrum.intensities) v *= 1000;
    remove_cosmic_rays(spectrum.intensities, config.despike);
    std::size_t first = 0;
    std::size_t count = 0;
    std::vector<double> values = resample(spectrum, 200, 1200, 101, first, count);
    const std::vector<double> baseline =
        kind == Baseline::snip ? snip_baseline(values, 3) : als_baseline(values, 1e5, 0.01, 10);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] -= kind == Baseline::none ? 0 : baseline[i];
    values = smooth(values, 5, 2);
    for (double& v : values) v = std::copysign(std::pow(std::abs(v), 0.7), v);
    normalise(values, Normalisation::snv);
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(got[i], values[i], 1e-5);
  }
}

TEST(Preprocessing, NeedsATenthOfTheGrid) {
  const auto reaching = [](double to) {
    Spectrum spectrum = bands();
    for (double& x : spectrum.shifts) x = 140 + (x - 100) / 1300 * to;
    return spectrum;
  };
  // 512 points from 140 to 1300: 51.2 of them are a tenth.
  EXPECT_THROW(preprocess(reaching(110), {}), RejectedSpectrum);
  EXPECT_EQ(preprocess(reaching(125), {}).size(), 512U);
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
  EXPECT_NEAR(snv[2], 2.5 / std::sqrt(7.25), 1e-12);  // mean 0.5, variance (0.25 + 20.25 + 6.25 + 2.25) / 4
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

/// The changed input for each of 400 seeds.
std::vector<std::vector<float>> changed_inputs(const std::vector<float>& input, const Augmentation& config) {
  std::vector<std::vector<float>> all;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    all.push_back(input);
    augment(all.back(), 2, config, seed);
  }
  return all;
}

TEST(Augmentation, StretchesAboutTheMiddle) {
  const Augmentation config{0, 0.05, 0, 0, 0, 0, 1};
  std::vector<float> input(512, 0.0F);
  input[400] = 1;
  double squares = 0;
  for (const auto& copy : changed_inputs(input, config)) {
    double centre = 0;
    double total = 0;
    for (std::size_t i = 0; i < copy.size(); ++i) {
      centre += static_cast<double>(i) * copy[i];
      total += copy[i];
    }
    squares += std::pow(centre / total - 400, 2) / 400;
  }
  EXPECT_NEAR(std::sqrt(squares), 0.05 * (400 - 255.5), 1.2);
}

TEST(Augmentation, AddsNoiseAndABaselineOfTheirDeviationsAndScalesSmoothly) {
  std::vector<float> peak(512, 0.0F);
  peak[256] = 1;
  // Off the peak: the noise's deviation is a uniform share of 0.01, so that its square is 1e-4 / 3 on average.
  double noise = 0;
  double baseline = 0;
  for (const auto& copy : changed_inputs(peak, {0, 0, 0.01, 0, 0, 0, 1})) noise += double{copy[100]} * copy[100] / 400;
  EXPECT_NEAR(noise, 1e-4 / 3, 1e-5);
  for (const auto& copy : changed_inputs(peak, {0, 0, 0, 0.01, 0, 0, 1})) {
    for (std::size_t i = 0; i < copy.size(); ++i) baseline += i == 256 ? 0 : double{copy[i]} * copy[i] / 511 / 400;
  }
  EXPECT_NEAR(baseline, 1e-4, 2.5e-5);
  // The logarithm of the factor is a curve of this deviation.
  double spread = 0;
  for (const auto& copy : changed_inputs(std::vector<float>(512, 1.0F), {0, 0, 0, 0, 0.2, 0, 1})) {
    double mean = 0;
    for (const float v : copy) mean += std::log(v) / 512;
    for (const float v : copy) spread += std::pow(std::log(v) - mean, 2) / 512 / 400;
  }
  EXPECT_NEAR(std::sqrt(spread), 0.2, 0.02);
}

TEST(Augmentation, ChangesTheShareThatItIsToldTo) {
  std::vector<float> input(64, 1.0F);
  int changed = 0;
  for (const auto& copy : changed_inputs(input, {0, 0, 0.1, 0, 0, 0, 0.3})) changed += copy != input ? 1 : 0;
  EXPECT_NEAR(changed / 400.0, 0.3, 0.07);
}

TEST(Mixup, SharesOfTheUniformDistributionHaveItsMean) {
  double mean = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) mean += mixup_share(1, seed) / 2000;
  EXPECT_NEAR(mean, 0.75, 0.01);  // max(u, 1 - u)
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
}  // namespace gyre::raman::preprocess_test
