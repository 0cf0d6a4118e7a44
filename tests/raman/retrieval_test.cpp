#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/random.hpp"
#include "raman/candidates.hpp"
#include "raman/evidence.hpp"
#include "raman/log_linear.hpp"
#include "raman/reranker.hpp"
#include "raman/votes.hpp"

namespace gyre::raman::retrieval_test {
namespace {

/// Seven spectra of eight points: specimens 0 (two spectra) and 1 of mineral 0, specimen 2 of mineral 1 (two spectra),
/// two whose specimens are not known.
Examples seven() {
  Examples examples{8, 1, 3, 2, {}, {0, 0, 1, 2, 2, 1, 1}, {0, 0, 0, 1, 1, -1, 1}, {0, 0, 1, 2, 2, -1, -1}, {}};
  for (int i = 0; i < 7; ++i) {
    for (int k = 0; k < 8; ++k)
      examples.inputs.push_back(std::sin(0.3F * static_cast<float>((i + 1) * (k + 1))) + 1.5F);
    examples.measurements.push_back({i % 2 == 0 ? 532.0F : 785.0F, 100.0F + static_cast<float>(i), 1300, 1201});
  }
  return examples;
}

TEST(Visibility, HidesAQueryAndItsKin) {
  const Library library(seven(), {});
  const auto seen = [&](Protocol protocol, std::size_t own) {
    std::vector<std::size_t> out;
    const Visibility visibility(library, protocol, own);
    for (std::size_t i = 0; i < library.size(); ++i) {
      if (visibility.sees(i)) out.push_back(i);
    }
    return out;
  };
  using Numbers = std::vector<std::size_t>;
  EXPECT_EQ(seen(Protocol::spectra, 0), (Numbers{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(seen(Protocol::specimen, 0), (Numbers{2, 3, 4, 5, 6}));
  EXPECT_EQ(seen(Protocol::mineral, 0), (Numbers{3, 4, 5, 6}));
  EXPECT_EQ(seen(Protocol::specimen, 5), (Numbers{0, 1, 2, 3, 4, 6}));  // unknown specimens are no kin
  EXPECT_EQ(seen(Protocol::mineral, 5), (Numbers{0, 1, 2, 3, 4, 6}));
}

TEST(Library, CountsSpecimensAsPieces) {
  const Library library(seven(), {});
  ASSERT_EQ(library.pieces().size(), 5U);
  EXPECT_EQ(library.pieces()[0].spectra, (std::vector<std::size_t>{0, 1}));
  EXPECT_EQ(library.pieces()[2].spectra, (std::vector<std::size_t>{3, 4}));
  EXPECT_EQ(library.piece_of(6), 4U);
}

TEST(Compare, GivesTheMeanCosineOfInputSlopeAndEmbedding) {
  const Examples examples = seven();
  const std::vector<float> embeddings = {1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 0, 2, 1, 0};
  const Library library(examples, embeddings);
  const Queries queries = queries_of(examples, embeddings, {0, 1, 2, 3, 4, 5, 6});
  compare(library, queries, Protocol::specimen, [&](const Comparison& one) {
    for (std::size_t r = 0; r < 7; ++r) {
      if (!Visibility(library, Protocol::specimen, one.query).sees(r)) {
        EXPECT_EQ(one.likeness[r], kHidden);
        continue;
      }
      float sum = 0;
      for (const auto view : {kRoot, kSlope, kEmbedding}) {
        sum += cosine(library.views()[view].row(one.query), library.views()[view].row(r));
      }
      EXPECT_NEAR(one.likeness[r], sum / 3, 1e-5);
    }
  });
}

TEST(Views, AreRowsOfUnitLengthOfWhatTheySay) {
  const Views views = views_of(std::vector<float>{2, 1, 0, 0, 0, 0, 0, -3}, 8, {});
  EXPECT_NEAR(views[kRoot].row(0)[0], 2 / std::sqrt(14.0), 1e-6);
  EXPECT_NEAR(views[kPower].row(0)[7], -9 / std::sqrt(98.0), 1e-6);
  EXPECT_NEAR(views[kSlope].row(0)[6], -3 / std::sqrt(11.0), 1e-6);
  EXPECT_EQ(views[kSecondQuarter].row(0)[0], 0);
  EXPECT_EQ(views[kLastQuarter].row(0)[1], -1);
  EXPECT_EQ(views[kEmbedding].size(), 0U);
}

TEST(Views, FindAShiftedSpectrum) {
  const std::vector<float> a = {0, 0, 1, 0, 0, 0};
  const std::vector<float> b = {0, 0, 0, 0, 1, 0};
  EXPECT_EQ(shifted_cosine(a, b, 1), 0);
  EXPECT_EQ(shifted_cosine(a, b, 2), 1);
  EXPECT_EQ(shifted_cosine(b, a, 2), 1);
}

TEST(Votes, CountASpecimenOnceAndAddThePrior) {
  const Library library(seven(), {});
  const std::vector<float> likeness = {0.9F, 0.5F, 0.8F, 0.7F, 0.6F, 0.4F, kHidden};
  const Votes votes(library, {0, {}, likeness});
  EXPECT_NEAR(votes.best(), 0.9, 1e-6);
  // Pieces that are seen: countries 0, 1, 2 and 1; half a piece is added to each country.
  EXPECT_NEAR(votes.prior()[1], 2.5 / 5.5, 1e-12);
  const double sharp = 10;
  const auto vote = [&](double like) { return std::exp(sharp * (like - 1)); };
  const std::vector<double> kernel = votes.by_kernel({sharp, 0.5});
  const double total = vote(0.9) + vote(0.8) + vote(0.7) + vote(0.4) + 0.5;
  EXPECT_NEAR(kernel[0], (vote(0.9) + 0.5 * votes.prior()[0]) / total, 1e-6);
  EXPECT_NEAR(kernel[1], (vote(0.8) + vote(0.4) + 0.5 * votes.prior()[1]) / total, 1e-6);
  // Minerals: 0 (best 0.9, two pieces), 1 (best 0.7, one piece), an unknown one (0.4, one piece).
  const std::vector<double> mineral = votes.by_mineral({sharp, 2});
  const double m0 = std::exp(0.0);
  const double m1 = std::exp(sharp * (0.7 - 0.9));
  const double m2 = std::exp(sharp * (0.4 - 0.9));
  const double all = m0 + m1 + m2;
  const double rest = (m0 * 2 / 4 + m1 * 2 / 3 + m2 * 2 / 3) / all;
  EXPECT_NEAR(mineral[0], m0 / all / 4 + rest * votes.prior()[0], 1e-6);
  EXPECT_NEAR(mineral[2], m1 / all / 3 + rest * votes.prior()[2], 1e-6);
  EXPECT_NEAR(mineral[0] + mineral[1] + mineral[2], 1, 1e-12);
}

TEST(Candidates, AreTheNearestThatAreSeenWithTheirSpecimens) {
  const Examples examples = seven();
  const Library library(examples, {});
  const Queries queries = queries_of(examples, {}, {0, 1, 2, 3, 4, 5, 6});
  CandidateSearch search(library, queries, 3);
  const std::vector<float> likeness = {kHidden, 0.5F, 0.9F, 0.7F, 0.6F, 0.4F, 0.3F};
  search.add({0, 0, likeness});
  const Candidates found = search.take();
  EXPECT_EQ(found.spectra, (std::vector<std::size_t>{2, 3, 4}));
  EXPECT_EQ(found.same, (std::vector<std::uint8_t>{0, 0, 0}));
  ASSERT_EQ(found.features.size(), 3 * kPairFeatures);
  const auto feature = [&](std::size_t candidate, std::size_t f) {
    return found.features[candidate * kPairFeatures + f];
  };
  EXPECT_NEAR(feature(0, 0), cosine(library.views()[kRoot].row(0), library.views()[kRoot].row(2)), 1e-6);
  const std::size_t lead = kCosineFeatures;
  EXPECT_NEAR(feature(0, lead), 0.9 - 0.7, 1e-6);  // ahead of other specimens
  EXPECT_NEAR(feature(2, lead), 0.6 - 0.9, 1e-6);
  EXPECT_NEAR(feature(1, lead + 1), 0.7 - 0.9, 1e-6);  // of other minerals
  EXPECT_EQ(feature(1, lead + 2), 1);                  // nothing else of its mineral but its own specimen
  EXPECT_EQ(feature(1, lead + 4), 2);                  // candidates of its mineral
  EXPECT_NEAR(feature(1, lead + 6), 0.6, 1e-6);        // the other spectrum of its specimen
  EXPECT_EQ(feature(0, lead + 7), 0);
  EXPECT_EQ(feature(1, kShapeFeatures), 532);     // the query's laser
  EXPECT_EQ(feature(1, kShapeFeatures + 2), 0);   // another than the candidate's
  EXPECT_EQ(feature(1, kShapeFeatures + 3), 1);   // a spectrum of its specimen has the query's laser
  EXPECT_EQ(feature(1, kShapeFeatures + 4), -3);  // the axes' beginnings
}

TEST(Candidates, OfTheQuerysSpecimenAreMarked) {
  const Examples examples = seven();
  const Library library(examples, {});
  const Queries queries = queries_of(examples, {}, {0, 1, 2, 3, 4, 5, 6});
  CandidateSearch search(library, queries, 2);
  search.add({0, 0, std::vector<float>{kHidden, 0.5F, 0.9F, 0.1F, 0.1F, 0.1F, 0.1F}});
  EXPECT_EQ(search.take().same, (std::vector<std::uint8_t>{0, 1}));
}

TEST(Session, IsToldByTheAxis) {
  EXPECT_EQ(axis_distance({532, 100, 1300, 1000}, {532, 100, 1300, 1000}), 0);
  EXPECT_NEAR(axis_distance({532, 100, 1300, 1000}, {532, 101, 1298, 1020}), 4, 1e-6);
  EXPECT_GE(axis_distance({532, 100, 1300, 1000}, {785, 100, 1300, 1000}), 1000);
}

/// Queries with four candidates, of which the one with the largest first feature is of the query's specimen, unless all
/// are below zero: then none is. The first measurement feature says nothing.
Candidates questions(int queries, std::uint64_t seed) {
  Candidates candidates;
  candidates.each = 4;
  Random random(seed);
  for (int q = 0; q < queries; ++q) {
    const std::size_t first = candidates.features.size();
    candidates.features.resize(first + 4 * kPairFeatures, 0.0F);
    std::size_t best = 0;
    for (std::size_t c = 0; c < 4; ++c) {
      float& value = candidates.features[first + c * kPairFeatures];
      value = static_cast<float>(random.normal() - 1);
      candidates.features[first + c * kPairFeatures + kShapeFeatures] = static_cast<float>(random.normal());
      if (value > candidates.features[first + best * kPairFeatures]) best = c;
      candidates.spectra.push_back(c);
      candidates.same.push_back(0);
    }
    if (candidates.features[first + best * kPairFeatures] > 0) candidates.same[candidates.same.size() - 4 + best] = 1;
  }
  return candidates;
}

std::vector<std::size_t> all_rows(const Candidates& candidates) {
  std::vector<std::size_t> rows(candidates.queries());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i;
  return rows;
}

TEST(Reranker, LearnsWhichCandidateIsTheTwinAndWhenNoneIs) {
  const Candidates training = questions(1500, 1);
  const Reranker reranker = Reranker::fit(training, all_rows(training), kShapeFeatures, 3);
  const Candidates test = questions(300, 2);
  const std::vector<double> shares = reranker.shares(test);
  int right = 0;
  for (std::size_t q = 0; q < 300; ++q) {
    const auto* row = shares.data() + q * 5;
    double sum = 0;
    std::size_t best = 0;
    std::size_t truth = 4;
    for (std::size_t c = 0; c < 5; ++c) {
      sum += row[c];
      if (row[c] > row[best]) best = c;
      if (c < 4 && test.same[q * 4 + c] != 0) truth = c;
    }
    EXPECT_NEAR(sum, 1, 1e-5);
    right += best == truth ? 1 : 0;
  }
  EXPECT_GT(right, 270);
}

TEST(Reranker, LooksAtItsWidthAndItsRowsAlone) {
  Candidates training = questions(300, 1);
  std::vector<std::size_t> rows = all_rows(training);
  rows.resize(200);
  const Reranker before = Reranker::fit(training, rows, kShapeFeatures, 3);
  const Candidates test = questions(50, 2);
  const std::vector<double> shares = before.shares(test);
  Candidates other = training;
  for (std::size_t i = 0; i < other.spectra.size(); ++i) other.features[i * kPairFeatures + kShapeFeatures] = 7;
  for (std::size_t i = 200 * 4; i < other.spectra.size(); ++i) {
    other.features[i * kPairFeatures] += 5;
    other.same[i] = 1;
  }
  EXPECT_EQ(Reranker::fit(other, rows, kShapeFeatures, 3).shares(test), shares);
  EXPECT_NE(Reranker::fit(training, rows, kPairFeatures, 3).shares(test), shares);
}

TEST(Reranker, ComesBackFromItsJson) {
  const Candidates training = questions(200, 1);
  const Reranker reranker = Reranker::fit(training, all_rows(training), kPairFeatures, 3);
  const nlohmann::json json = nlohmann::json::parse(reranker.to_json().dump());
  EXPECT_EQ(Reranker::from_json(json, "x").shares(training), reranker.shares(training));
  EXPECT_THROW(Reranker::from_json({{"features", 3}}, "x"), Error);
}

TEST(Reranker, GivesAllToNoneBeforeItIsFitted) {
  const Candidates candidates = questions(2, 1);
  EXPECT_EQ(Reranker().shares(candidates), (std::vector<double>{0, 0, 0, 0, 1, 0, 0, 0, 0, 1}));
}

/// Log-probabilities of two opinions on three classes; the truth follows the first with the weight 2 and not the
/// second.
Opinions two_opinions(int items, std::vector<int>& truth) {
  Random random(5);
  Opinions opinions{3, 2, {}};
  for (int i = 0; i < items; ++i) {
    std::vector<double> weight;
    double total = 0;
    for (int c = 0; c < 3; ++c) {
      const double a = random.normal();
      opinions.values.push_back(static_cast<float>(a));
      opinions.values.push_back(static_cast<float>(random.normal()));
      total += weight.emplace_back(std::exp(2 * a));
    }
    double u = random.uniform() * total;
    int t = 0;
    while (t < 2 && u > weight[static_cast<std::size_t>(t)]) u -= weight[static_cast<std::size_t>(t++)];
    truth.push_back(t);
  }
  return opinions;
}

TEST(LogLinear, FindsTheWeightsThatMadeTheData) {
  std::vector<int> truth;
  const Opinions opinions = two_opinions(6000, truth);
  std::vector<std::size_t> items(6000);
  for (std::size_t i = 0; i < items.size(); ++i) items[i] = i;
  const std::vector<double> weights = fit_log_linear(opinions, truth, items);
  EXPECT_NEAR(weights[0], 2, 0.12);
  EXPECT_NEAR(weights[1], 0, 0.08);
  // Items that are not named do not count.
  items.resize(3000);
  const std::vector<double> half = fit_log_linear(opinions, truth, items);
  for (std::size_t i = 3000; i < 6000; ++i) truth[i] = 0;
  EXPECT_EQ(fit_log_linear(opinions, truth, items), half);
  EXPECT_EQ(fit_log_linear(opinions, truth, {}), (std::vector<double>{0.5, 0.5}));
}

TEST(Temperature, NeverChangesARanking) {
  std::vector<int> truth;
  const Opinions opinions = two_opinions(400, truth);
  const Probabilities p = mix_log_linear(opinions, std::vector<double>{6, 1});
  const double temperature = fit_temperature(p, truth);
  EXPECT_GT(temperature, 2);
  const Probabilities cooled = at_temperature(p, temperature);
  const Metrics before = measure(p, truth);
  const Metrics after = measure(cooled, truth);
  EXPECT_EQ(after.accuracy, before.accuracy);
  EXPECT_EQ(after.top3, before.top3);
  EXPECT_LT(after.log_loss, before.log_loss);
  for (std::size_t i = 0; i < 400; ++i) EXPECT_NEAR(cooled.row(i)[0] + cooled.row(i)[1] + cooled.row(i)[2], 1, 1e-12);
}

}  // namespace
}  // namespace gyre::raman::retrieval_test
