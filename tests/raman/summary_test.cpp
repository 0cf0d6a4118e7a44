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
    result.logits = std::move(logits);
    for (const BaselineKind& kind : baseline_kinds()) result.baselines[kind.name] = {0.25, 1, 0.5, 0.125, 0.1, 2};
    result.attributions = {0, 0, 0, 0};
    result.attributed = {0, 0};
    result.seconds = 1.5;
    return result;
  }

  /// The logits and truths of the two other folds, put together here.
  [[nodiscard]] std::pair<std::vector<float>, std::vector<int>> others(std::size_t left_out) const {
    std::vector<float> logits;
    std::vector<int> truth;
    for (std::size_t f = 0; f < 3; ++f) {
      if (f == left_out) continue;
      logits.insert(logits.end(), folds_[f].logits.begin(), folds_[f].logits.end());
      truth.insert(truth.end(), {0, 0, 1, 1});
    }
    return {logits, truth};
  }

  Dataset data_;
  std::vector<FoldResult> folds_;
};

const std::vector<double> kEven = {0.5, 0.5};
const std::vector<int> kTruth = {0, 0, 1, 1};

TEST_F(HandMadeFolds, ArePooledButForTheOneThatIsLeftOut) {
  const OutOfFold pool = pool_folds(data_, folds_, 1);
  EXPECT_EQ(pool.examples, (std::vector<std::size_t>{0, 1, 2, 3, 8, 9, 10, 11}));
  EXPECT_EQ(pool.logits, others(1).first);
  EXPECT_EQ(pool.truth, others(1).second);
  EXPECT_EQ(pool_folds(data_, folds_).truth.size(), 12U);
  EXPECT_EQ(shares_of(data_, std::vector<int>{0, 1, 1, 1}), (std::vector<double>{0.25, 0.75}));
}

TEST_F(HandMadeFolds, AreCalibratedOnTheOthersAlone) {
  const nlohmann::json sets = summarise_protocol(data_, Protocol::specimen, folds_, 0.75)["sets"];
  EXPECT_EQ(sets["method"], "cross-conformal");
  EXPECT_EQ(sets["nominal"], 0.75);
  for (std::size_t f = 0; f < 3; ++f) {
    const auto [logits, truth] = others(f);
    const Calibration calibration = calibrate(logits, truth, kEven);
    const double threshold = conformal_threshold(calibration.apply(logits), truth, 0.75);
    const SetQuality quality = measure_sets(calibration.apply(folds_[f].logits), kTruth, threshold);
    EXPECT_EQ(sets["temperatures"][f], calibration.temperature) << f;
    EXPECT_EQ(sets["prior_weights"][f], calibration.prior_weight) << f;
    EXPECT_EQ(sets["thresholds"][f], threshold) << f;
    EXPECT_EQ(sets["coverage"]["folds"][f], quality.coverage) << f;
    EXPECT_EQ(sets["size"]["folds"][f], quality.size) << f;
  }
  EXPECT_NE(sets["temperatures"][0], sets["temperatures"][1]);
}

TEST_F(HandMadeFolds, AreMeasuredAsCountedByHand) {
  const nlohmann::json summary = summarise_protocol(data_, Protocol::mineral, folds_, 0.75);
  EXPECT_EQ(summary["name"], "mineral");
  EXPECT_EQ(summary["training_seconds"], 4.5);
  EXPECT_EQ(summary["model"]["accuracy"]["folds"], nlohmann::json({1.0, 0.5, 0.75}));
  EXPECT_NEAR(summary["model"]["accuracy"]["mean"].get<double>(), 0.75, 1e-12);
  // Student's t of two degrees of freedom, standard deviation 0.25.
  EXPECT_NEAR(summary["model"]["accuracy"]["low"].get<double>(), 0.75 - 4.303 * 0.25 / std::sqrt(3.0), 1e-9);
  EXPECT_EQ(summary["confusion"], nlohmann::json({{4, 2}, {1, 5}}));
  const nlohmann::json& japan = summary["countries"][0];
  EXPECT_EQ(japan["code"], "JP");
  EXPECT_EQ(japan["spectra"], 6);
  EXPECT_EQ(japan["predicted"], 5);
  EXPECT_NEAR(japan["recall"].get<double>(), 4.0 / 6, 1e-12);
  EXPECT_NEAR(japan["precision"].get<double>(), 4.0 / 5, 1e-12);
  ASSERT_EQ(summary["baselines"].size(), 4U);
  EXPECT_EQ(summary["baselines"][1]["name"], "mineral");
  EXPECT_NEAR(summary["baselines"][1]["measures"]["macro_f1"]["mean"].get<double>(), 0.125, 1e-12);
  EXPECT_EQ(summary["baselines"][1]["model_minus_baseline"]["accuracy"]["folds"], nlohmann::json({0.75, 0.25, 0.5}));
}

TEST_F(HandMadeFolds, TellHowManyTestSpectraHaveKinInTraining) {
  const nlohmann::json summary = summarise_protocol(data_, Protocol::spectra, folds_, 0.75);
  // Of the specimens, "shared" alone stands in two folds. Mineral 1 stands in folds 1 (four) and 2 (one).
  EXPECT_NEAR(summary["specimen_in_training"].get<double>(), 2.0 / 12, 1e-12);
  EXPECT_NEAR(summary["mineral_in_training"].get<double>(), 5.0 / 12, 1e-12);
}

TEST_F(HandMadeFolds, GiveTheReliabilityOfTheirProbabilities) {
  const nlohmann::json summary = summarise_protocol(data_, Protocol::spectra, folds_, 0.75);
  std::array<double, 10> said{};
  std::array<double, 10> right{};
  std::array<int, 10> count{};
  for (std::size_t f = 0; f < 3; ++f) {
    const auto [logits, truth] = others(f);
    const Probabilities p = calibrate(logits, truth, kEven).apply(folds_[f].logits);
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
  const nlohmann::json rows = summarise_protocol(data_, Protocol::spectra, folds_, 0.75)["wavenumbers"];
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

TEST(References, TellHowNearTheNearestOfAnotherSpecimenIs) {
  // Cosines: the two of R1 are the same, R2 is at 0.8 to them and at 0.6 to R3.
  const nlohmann::json names = {{"R1", "a", "PE"}, {"R1", "a", "PE"}, {"R2", "b", "NO"}, {"R3", "c", "JP"}};
  const References references(2, {1, 0, 2, 0, 0.8F, 0.6F, 0, 1}, names);
  EXPECT_NEAR(references.usual_similarity(0.01), 0.6, 1e-6);
  EXPECT_NEAR(references.usual_similarity(0.5), 0.8, 1e-6);
  const auto match = references.nearest(std::vector<float>{0.1F, 3});
  EXPECT_EQ(references.name(match[0].index)[0], "R3");
  EXPECT_NEAR(match[0].similarity, 3 / std::sqrt(9.01), 1e-5);
}

TEST(Model, KeepsWhatItWasMadeOf) {
  const ScratchFolder scratch;
  const Dataset data = small_dataset(60);
  const MeanBackend backend;
  RunSettings settings;
  settings.config = {{"preprocessing", to_json(small_grid())}};
  settings.out = scratch / "run";
  settings.folds = 4;
  claim_folder(data, settings);
  const auto folds = run_folds(data, Protocol::specimen, settings, backend);
  ASSERT_TRUE(folds);
  const auto model = backend.fit({settings.config, "config.json", data.examples, scratch / "fit", "train", 1, 1});
  write_model(scratch / "model", data, settings, *model, *folds);
  const nlohmann::json config = load_json(scratch / "model/config.json");
  const OutOfFold pool = pool_folds(data, *folds);
  const Calibration calibration = calibrate(pool.logits, pool.truth, shares_of(data, pool.truth));
  EXPECT_EQ(config["countries"], nlohmann::json(data.countries));
  EXPECT_EQ(config["minerals"], data.examples.minerals);
  EXPECT_EQ(config["data_sha256"], fingerprint(data, settings));
  EXPECT_EQ(config["preprocessing"], to_json(small_grid()));
  EXPECT_EQ(config["calibration"]["sets"], "cross-conformal");
  EXPECT_EQ(config["calibration"]["spectra"], 120);
  EXPECT_EQ(config["calibration"]["temperature"], calibration.temperature);
  EXPECT_EQ(config["calibration"]["prior_weight"], calibration.prior_weight);
  EXPECT_EQ(config["calibration"]["novelty_similarity"], References::of(data).usual_similarity(0.01));
  const Probabilities all = calibration.apply(pool.logits);
  const nlohmann::json& thresholds = config["calibration"]["thresholds_50_to_99_percent"];
  ASSERT_EQ(thresholds.size(), 50U);
  EXPECT_EQ(thresholds[0], conformal_threshold(all, pool.truth, 0.5));
  EXPECT_EQ(thresholds[40], conformal_threshold(all, pool.truth, 0.9));
  EXPECT_EQ(thresholds[49], conformal_threshold(all, pool.truth, 0.99));
  // Prediction asks the loaded model, the calibration and the threshold of the coverage.
  const Predictor predictor(scratch / "model", backend, 1);
  const std::vector<Spectrum> spectra = small_collection(3).spectra;
  const auto loaded = backend.load({}, {}, "", 64, 3, 1);
  const Probabilities p = calibration.apply(loaded->logits(preprocess(spectra[2], small_grid())));
  for (const double coverage : {0.5, 0.9, 0.99}) {
    const Prediction one = predictor.predict(spectra, coverage)[2];
    EXPECT_EQ(one.set, prediction_set(p.row(0), conformal_threshold(all, pool.truth, coverage)).size());
    EXPECT_NEAR(one.ranked[0].second, p.row(0)[static_cast<std::size_t>(p.best(0))], 1e-12);
    EXPECT_EQ(one.ranked[0].first, data.countries[static_cast<std::size_t>(p.best(0))]);
  }
}

TEST(Model, NeedsEnoughSpectraForItsThresholds) {
  EXPECT_NO_THROW(require_enough_for_sets(small_dataset(51)));
  EXPECT_THROW(require_enough_for_sets(small_dataset(48)), Error);  // 96; 99 are the fewest
}

}  // namespace
}  // namespace gyre::raman::summary_test
