#include "raman/summary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "raman/baselines.hpp"
#include "raman/calibration.hpp"
#include "raman/predictor.hpp"
#include "raman/small_data.hpp"
#include "scratch_folder.hpp"

namespace gyre::raman::summary_test {
namespace {

using testing::DoubleNear;

/// Three folds of two examples a country, with logits that are right or wrong as the comments say.
class HandMadeFolds : public testing::Test {
 protected:
  HandMadeFolds() {
    Examples& examples = data_.examples;
    examples.points = 2;
    examples.classes = 2;
    examples.minerals = 2;
    for (int i = 0; i < 12; ++i) {
      examples.inputs.insert(examples.inputs.end(), {static_cast<float>(i), 1});
      examples.labels.push_back(i / 2 % 2);
      examples.mineral.push_back(i < 4 ? 0 : (i < 9 ? 1 : -1));
      data_.specimens.push_back("R" + std::to_string(i));
    }
    data_.specimens[0] = data_.specimens[5] = "shared";  // in folds 0 and 1
    data_.specimens[10] = data_.specimens[11] = "pair";  // both in fold 2
    data_.specimens[7] = "";                             // not known
    data_.countries = {"JP", "PE"};
    data_.minerals = {"Alpha", "Beta"};
    folds_.push_back(fold(0, {2, 0, 1.5F, 0, 0, 3, 0, 1}));  // all right
    folds_.push_back(fold(4, {1, 0, 0, 3, 0.5F, 0, 0, 2}));  // right, wrong, wrong, right
    folds_.push_back(fold(8, {0, 2, 1, 0, 0, 1, 0, 4}));     // wrong, right, right, right
    folds_[0].attributions = {1, 3, 0, 0};
    folds_[0].attributed = {2, 0};
    folds_[1].attributions = {2, 2, 0, 0};
    folds_[1].attributed = {1, 0};
  }

  [[nodiscard]] static FoldResult fold(std::size_t first, std::vector<float> logits) {
    FoldResult result;
    result.test = {first, first + 1, first + 2, first + 3};
    // Of the model; the network says that all is even, and the method with measurements the model's opposite.
    std::vector<float> turned;
    for (const float v : logits) turned.push_back(-v);
    const HeldOut held_out{{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7}, {1, 1, 1, 1, 1, 1, 1}, 0.5};
    result.methods["network"] = {std::vector<float>(logits.size(), 0.0F), {}};
    result.methods["measured"] = {std::move(turned), held_out};
    result.methods["plain"] = {std::move(logits), held_out};
    result.familiar = {1, 1, 1, 1};
    for (const BaselineKind& kind : baseline_kinds()) result.baselines[kind.name] = {0.25, 1, 0.5, 0.125, 0.1, 2, 0.9};
    result.attributions = {0, 0, 0, 0};
    result.attributed = {0, 0};
    result.seconds = 1.5;
    return result;
  }

  [[nodiscard]] nlohmann::json summary(Protocol protocol = Protocol::spectra) const {
    return summarise_protocol(data_, protocol, folds_, 3, "plain", 0.75);
  }

  Dataset data_;
  std::vector<FoldResult> folds_;
};

const std::vector<int> kTruth = {0, 0, 1, 1};

TEST_F(HandMadeFolds, HaveSetsByTheThresholdsOfTheirOwnTraining) {
  // Two of eight may be missed at 0.75, so that the second smallest of the seven is the threshold.
  folds_[1].methods["plain"].held_out.of_truth = {0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96};
  const nlohmann::json sets = summary()["sets"];
  EXPECT_EQ(sets["method"], "cross-conformal");
  EXPECT_EQ(sets["nominal"], 0.75);
  EXPECT_EQ(sets["thresholds"][0]["familiar"], 0.2);
  EXPECT_EQ(sets["thresholds"][1]["familiar"], 0.91);
  for (std::size_t f = 0; f < 3; ++f) {
    const Probabilities p = softmax(folds_[f].methods["plain"].log_probabilities, 2);
    double held = 0;
    double size = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::vector<int> set = prediction_set(p.row(i), f == 1 ? 0.91 : 0.2);
      held += static_cast<double>(std::count(set.begin(), set.end(), kTruth[i])) / 4;
      size += static_cast<double>(set.size()) / 4;
    }
    EXPECT_NEAR(sets["coverage"]["folds"][f].get<double>(), held, 1e-12) << f;
    EXPECT_NEAR(sets["size"]["folds"][f].get<double>(), size, 1e-12) << f;
  }
}

TEST_F(HandMadeFolds, CountSetsOfSeenAndUnseenMineralsApart) {
  // Mineral 0 (examples 0 … 3) stands in fold 0 alone, -1 (9 … 11) is not known: seven are unseen. Mineral 1 is seen.
  const nlohmann::json groups = summary()["sets"]["groups"];
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0]["name"], "seen");
  EXPECT_EQ(groups[0]["spectra"], 5);
  EXPECT_EQ(groups[1]["spectra"], 7);
  // A strange spectrum has a threshold of its own: with one that nothing reaches, sets are single.
  for (FoldResult& fold : folds_) {
    fold.methods["plain"].held_out = {{0.01, 0.02, 0.03, 0.97, 0.98, 0.99}, {1, 1, 1, 0, 0, 0}, 0.5};
    fold.familiar = {1, 0, 1, 1};
  }
  const nlohmann::json sets = summary()["sets"];
  EXPECT_EQ(sets["thresholds"][2]["strange"], 0.97);
  EXPECT_NEAR(sets["size"]["folds"][0].get<double>(), (2 + 1 + 2 + 2) / 4.0, 1e-12);
}

TEST_F(HandMadeFolds, CompareEveryMethodWithEveryBaseline) {
  const nlohmann::json rows = summary()["methods"];
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0]["name"], "plain");
  EXPECT_EQ(rows[0]["measures"]["accuracy"]["folds"], nlohmann::json({1.0, 0.5, 0.75}));
  EXPECT_EQ(rows[1]["measures"]["accuracy"]["folds"], nlohmann::json({0.0, 0.5, 0.25}));
  EXPECT_EQ(rows[1]["minus_baselines"]["kernel"]["accuracy"]["folds"], nlohmann::json({-0.25, 0.25, 0.0}));
  EXPECT_NEAR(rows[2]["measures"]["log_loss"]["mean"].get<double>(), std::log(2.0), 1e-9);
}

TEST_F(HandMadeFolds, AreMeasuredAsCountedByHand) {
  const nlohmann::json summary = HandMadeFolds::summary(Protocol::mineral);
  EXPECT_EQ(summary["name"], "mineral");
  EXPECT_EQ(summary["training_seconds"], 4.5);
  EXPECT_EQ(summary["model"]["accuracy"]["folds"], nlohmann::json({1.0, 0.5, 0.75}));
  EXPECT_NEAR(summary["model"]["accuracy"]["mean"].get<double>(), 0.75, 1e-12);
  // Student's t of two degrees of freedom, standard deviation 0.25; a fold tests half of what it trains on.
  EXPECT_NEAR(summary["model"]["accuracy"]["low"].get<double>(), 0.75 - 4.303 * 0.25 * std::sqrt(1.0 / 3 + 0.5), 1e-9);
  EXPECT_EQ(summary["confusion"], nlohmann::json({{4, 2}, {1, 5}}));
  const nlohmann::json& japan = summary["countries"][0];
  EXPECT_EQ(japan["code"], "JP");
  EXPECT_EQ(japan["spectra"], 6);
  EXPECT_EQ(japan["predicted"], 5);
  EXPECT_NEAR(japan["recall"].get<double>(), 4.0 / 6, 1e-12);
  EXPECT_NEAR(japan["precision"].get<double>(), 4.0 / 5, 1e-12);
  ASSERT_EQ(summary["baselines"].size(), 5U);
  EXPECT_EQ(summary["baselines"][1]["name"], "mineral");
  EXPECT_NEAR(summary["baselines"][1]["measures"]["macro_f1"]["mean"].get<double>(), 0.125, 1e-12);
  EXPECT_EQ(summary["baselines"][1]["model_minus_baseline"]["accuracy"]["folds"], nlohmann::json({0.75, 0.25, 0.5}));
}

TEST_F(HandMadeFolds, TellHowManyTestSpectraHaveKinInTraining) {
  const nlohmann::json summary = HandMadeFolds::summary();
  // Of the specimens, "shared" alone stands in two folds. Mineral 1 stands in folds 1 (four) and 2 (one).
  EXPECT_NEAR(summary["specimen_in_training"].get<double>(), 2.0 / 12, 1e-12);
  EXPECT_NEAR(summary["mineral_in_training"].get<double>(), 5.0 / 12, 1e-12);
}

TEST_F(HandMadeFolds, GiveTheReliabilityOfTheirProbabilities) {
  const nlohmann::json summary = HandMadeFolds::summary();
  std::array<double, 10> said{};
  std::array<double, 10> right{};
  std::array<int, 10> count{};
  for (std::size_t f = 0; f < 3; ++f) {
    const Probabilities p = softmax(folds_[f].methods["plain"].log_probabilities, 2);
    for (std::size_t i = 0; i < 4; ++i) {
      const auto best = static_cast<std::size_t>(p.best(i));
      const auto bin = std::min<std::size_t>(9, static_cast<std::size_t>(10 * p.row(i)[best]));
      said[bin] += p.row(i)[best];
      right[bin] += static_cast<int>(best) == kTruth[i] ? 1 : 0;
      ++count[bin];
    }
  }
  std::size_t row = 0;
  for (std::size_t b = 0; b < 10; ++b) {
    if (count[b] == 0) continue;
    EXPECT_THAT(summary["reliability"][row]["confidence"].get<double>(), DoubleNear(said[b] / count[b], 1e-12));
    EXPECT_THAT(summary["reliability"][row]["accuracy"].get<double>(), DoubleNear(right[b] / count[b], 1e-12));
    EXPECT_EQ(summary["reliability"][row]["spectra"], count[b]);
    ++row;
  }
  EXPECT_EQ(summary["reliability"].size(), row);
}

TEST_F(HandMadeFolds, WeighWavenumbersByTheSpectraThatWereExplained) {
  const nlohmann::json rows = summary()["wavenumbers"];
  // Two times (1, 3) and once (2, 2): (4, 8) of 12.
  EXPECT_NEAR(rows[0][0].get<double>(), 1.0 / 3, 1e-6);
  EXPECT_NEAR(rows[0][1].get<double>(), 2.0 / 3, 1e-6);
  EXPECT_EQ(rows[1], nlohmann::json({0.0, 0.0}));
}

TEST(Dataset, IsDescribedByItsCounts) {
  Collection collection = small_collection(6);  // two spectra of each specimen; minerals of four specimens
  collection.spectra[1].locality = "Oslo, Norway";
  const auto labels = label_spectra(collection.spectra, Gazetteer());
  const Dataset data = build_dataset(collection, labels, small_grid(), 2);
  EXPECT_EQ(data.countries, (std::vector<std::string>{"JP", "NO", "PE"}));
  EXPECT_EQ(data.minerals, (std::vector<std::string>{"Mineral 0", "Mineral 1"}));
  EXPECT_EQ(data.examples.labels, (std::vector<int>{2, 1, 1, 1, 0, 0, 2, 2, 1, 1, 0, 0}));
  EXPECT_EQ(data.examples.mineral, (std::vector<int>{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1}));
  EXPECT_EQ(data.groups_of("spectra"), std::vector<std::string>(12));
  EXPECT_EQ(data.groups_of("specimen")[3], "R1001");
  EXPECT_EQ(data.groups_of("mineral")[8], "Mineral 1");
  EXPECT_NEAR(data.examples.grid_step, (1300.0 - 140) / 63, 1e-12);
  EXPECT_EQ(data.sources[4], "spectrum 4");
  const std::vector<float> fifth = preprocess(collection.spectra[5], small_grid());
  EXPECT_TRUE(std::equal(fifth.begin(), fifth.end(), data.examples.input(5).begin()));
  const nlohmann::json json = describe_data(data, Gazetteer(), small_grid());
  EXPECT_EQ(json["spectra"], 12);
  EXPECT_EQ(json["specimens"], 6);
  EXPECT_EQ(json["minerals"], 2);
  EXPECT_EQ(json["countries"][1],
            nlohmann::json({{"code", "NO"}, {"name", "Norway"}, {"spectra", 5}, {"specimens", 3}}));
  EXPECT_EQ(json["grid"], nlohmann::json({{"from", 140.0}, {"to", 1300.0}, {"points", 64}}));
  EXPECT_EQ(json["selection"]["spectra_read"], 12);
  EXPECT_EQ(json["selection"]["localities_resolved"], 12);
}

TEST(Model, NeedsEnoughSpectraForItsThresholds) {
  EXPECT_NO_THROW(require_enough_for_sets(small_dataset(51)));
  EXPECT_THROW(require_enough_for_sets(small_dataset(48)), Error);  // 96; 99 are the fewest
}

}  // namespace
}  // namespace gyre::raman::summary_test
