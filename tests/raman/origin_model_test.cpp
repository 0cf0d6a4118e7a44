#include "raman/origin_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "raman/cross_validation.hpp"
#include "raman/model_files.hpp"
#include "raman/predictor.hpp"
#include "raman/small_data.hpp"
#include "scratch_folder.hpp"

namespace gyre::raman::origin_model_test {
namespace {

using testing::HasSubstr;

class Origin : public testing::Test {
 protected:
  Origin() : data_(small_dataset(60)) {
    settings_.config = {{"preprocessing", to_json(small_grid())}, {"retrieval", {{"candidates", 6}}}};
    settings_.where = "config.json";
    settings_.out = scratch_ / "run";
    settings_.folds = 4;
  }

  [[nodiscard]] std::unique_ptr<OriginModel> fit(Protocol protocol, const Examples& examples) const {
    return fit_origin({backend_, settings_.config, "config.json", examples, protocol, scratch_ / "fit", "fit", 5, 1});
  }

  /// A fold that was never run before.
  [[nodiscard]] FoldResult fold(const Dataset& data, Protocol protocol, const std::string& name) const {
    RunSettings settings = settings_;
    settings.out = scratch_ / name;
    claim_folder(data, settings);
    return *run_fold(data, protocol, 1, settings, backend_);
  }

  ScratchFolder scratch_;
  Dataset data_;
  RunSettings settings_;
  MeanBackend backend_;
};

void expect_same_predictions(const FoldResult& a, const FoldResult& b) {
  for (const Method& method : methods()) {
    const MethodResult& one = a.methods.at(method.name);
    const MethodResult& other = b.methods.at(method.name);
    EXPECT_EQ(one.log_probabilities, other.log_probabilities) << method.name;
    EXPECT_EQ(one.held_out.of_truth, other.held_out.of_truth) << method.name;
    EXPECT_EQ(one.held_out.familiar, other.held_out.familiar) << method.name;
  }
  EXPECT_EQ(a.familiar, b.familiar);
}

// Leakage: whatever a test example is labelled with must not reach networks, library, re-ranker, weights, temperature
// or thresholds of its fold.

TEST_F(Origin, KnowsNothingOfTheCountriesOfTestSpectra) {
  for (const Protocol protocol : {Protocol::spectra, Protocol::specimen, Protocol::mineral}) {
    const std::string name(name_of(protocol));
    const FoldResult honest = fold(data_, protocol, name + "-honest");
    Dataset other = data_;
    for (const std::size_t i : honest.test) other.examples.labels[i] = (other.examples.labels[i] + 1) % 3;
    expect_same_predictions(fold(other, protocol, name + "-other"), honest);
  }
}

TEST_F(Origin, KnowsNothingOfTheMineralsAndSpecimensOfTestSpectra) {
  const FoldResult honest = fold(data_, Protocol::spectra, "honest");
  Dataset other = data_;
  for (const std::size_t i : honest.test) {
    other.examples.mineral[i] = 0;
    other.examples.specimen[i] = 0;
    other.specimens[i] = data_.specimens[0];
  }
  expect_same_predictions(fold(other, Protocol::spectra, "other"), honest);
}

TEST_F(Origin, LearnsNothingFromOtherTestSpectra) {
  const FoldResult honest = fold(data_, Protocol::spectra, "honest");
  Dataset other = data_;
  const std::size_t changed = honest.test[0];
  for (std::size_t k = 0; k < 64; ++k) other.examples.inputs[changed * 64 + k] = k == 5 ? 1.0F : 0.1F;
  const FoldResult result = fold(other, Protocol::spectra, "other");
  for (const Method& method : methods()) {
    const auto rest = [&](const FoldResult& of) {
      const std::vector<float>& all = of.methods.at(method.name).log_probabilities;
      return std::vector<float>(all.begin() + 3, all.end());
    };
    EXPECT_EQ(rest(result), rest(honest)) << method.name;
    EXPECT_EQ(result.methods.at(method.name).held_out.of_truth, honest.methods.at(method.name).held_out.of_truth);
  }
  EXPECT_NE(result.methods.at("plain").log_probabilities, honest.methods.at("plain").log_probabilities);
}

TEST_F(Origin, WeighsNoNetworkByStonesThatItHasSeen) {
  for (const Protocol protocol : {Protocol::spectra, Protocol::specimen, Protocol::mineral}) {
    MeanBackend backend;
    const auto model =
        fit_origin({backend, settings_.config, "config.json", data_.examples, protocol, scratch_ / "x", "x", 5, 1});
    ASSERT_TRUE(model);
    ASSERT_EQ(backend.trained_on.size(), 4U);
    std::multiset<int> held_out;
    for (std::size_t k = 0; k < 3; ++k) {
      std::set<int> specimens(backend.trained_on[k].specimen.begin(), backend.trained_on[k].specimen.end());
      std::set<int> minerals(backend.trained_on[k].mineral.begin(), backend.trained_on[k].mineral.end());
      for (int s = 0; s < 60; ++s) {
        if (specimens.contains(s)) continue;
        held_out.insert(s);
        if (protocol == Protocol::mineral) {
          EXPECT_FALSE(minerals.contains(data_.examples.mineral[static_cast<std::size_t>(2 * s)])) << s;
        }
      }
      // Both spectra of a specimen are on one side, also where the protocol splits them.
      for (const int s : specimens) {
        EXPECT_EQ(std::count(backend.trained_on[k].specimen.begin(), backend.trained_on[k].specimen.end(), s), 2);
      }
    }
    EXPECT_EQ(held_out.size(), 60U);
    EXPECT_EQ(backend.trained_on[3].size(), data_.examples.size());
  }
}

TEST_F(Origin, FindsTheTwinWhereItMayBe) {
  // One spectrum of every sixth specimen is asked about, the other is in the library.
  std::vector<std::size_t> known;
  std::vector<std::size_t> asked;
  for (std::size_t i = 0; i < data_.examples.size(); ++i) (i % 12 == 0 ? asked : known).push_back(i);
  const Examples library = data_.examples.subset(known);
  const auto spectra = fit(Protocol::spectra, library);
  ASSERT_TRUE(spectra);
  const Answer answer = spectra->answer(data_.examples.subset(asked), false);
  for (std::size_t q = 0; q < asked.size(); ++q) {
    const auto* shares = answer.shares.data() + q * 7;
    const auto best = static_cast<std::size_t>(std::max_element(shares, shares + 7) - shares);
    ASSERT_LT(best, 6U) << q;
    EXPECT_EQ(library.specimen[answer.evidence.candidates.spectra[q * 6 + best]], data_.examples.specimen[asked[q]]);
  }
  // Where specimens are kept together no candidate can be one, and none is learned.
  const auto specimens = fit(Protocol::specimen, data_.examples);
  EXPECT_TRUE(specimens->fitted().plain.reranker.empty());
  const Answer none = specimens->answer(data_.examples.subset(std::vector<std::size_t>{10}), false);
  EXPECT_EQ(none.shares.back(), 1);
}

TEST_F(Origin, GivesTheSharesOfCandidatesToTheirCountries) {
  Evidence evidence;
  evidence.candidates.each = 2;
  evidence.candidates.spectra = {3, 0};
  evidence.opinions = {2, 1, {std::log(0.75F), std::log(0.25F)}};
  const std::vector<double> shares = {0.5, 0.1, 0.4};
  const std::vector<double> weights = {1};
  const std::vector<int> countries = {0, 0, 0, 1};
  const Probabilities p = mix_evidence(evidence, shares, weights, countries);
  EXPECT_NEAR(p.row(0)[0], 0.4 * 0.75 + 0.1, 1e-6);
  EXPECT_NEAR(p.row(0)[1], 0.4 * 0.25 + 0.5, 1e-6);
}

TEST_F(Origin, SaysTheSameFromItsFolder) {
  for (const int members : {1, 2}) {
    settings_.config["retrieval"]["ensemble"] = members;
    settings_.config["retrieval"]["measurements"] = members == 2;
    const auto model = fit(Protocol::spectra, data_.examples);
    const std::filesystem::path folder = scratch_ / ("model" + std::to_string(members));
    write_model(folder, data_, settings_, *model);
    const Predictor predictor(folder, backend_, 1);
    const std::vector<Spectrum> spectra = small_collection(9).spectra;
    const std::vector<Prediction> predictions = predictor.predict(spectra, 0.8);
    Examples queries;
    queries.points = 64;
    std::vector<std::optional<std::size_t>> own;
    for (const Spectrum& spectrum : spectra) {
      const std::vector<float> input = preprocess(spectrum, small_grid());
      queries.inputs.insert(queries.inputs.end(), input.begin(), input.end());
      queries.measurements.push_back(measurement_of(spectrum));
      own.push_back(find_spectrum(data_.examples, input));
    }
    const Answer answer = model->answer(queries, members == 2, own);
    const SetThresholds thresholds = set_thresholds(model->fitted().mixing(members == 2).held_out, 0.8);
    for (std::size_t i = 0; i < spectra.size(); ++i) {
      const std::vector<int> order = prediction_set(answer.probabilities.row(i), -1);
      ASSERT_EQ(predictions[i].ranked.size(), 3U);
      for (std::size_t c = 0; c < 3; ++c) {
        const auto country = static_cast<std::size_t>(order[c]);
        EXPECT_EQ(predictions[i].ranked[c].first, data_.countries[country]);
        EXPECT_EQ(predictions[i].ranked[c].second, answer.probabilities.row(i)[country]);
      }
      EXPECT_EQ(predictions[i].set,
                prediction_set(answer.probabilities.row(i), thresholds.of(answer.familiar[i])).size());
      EXPECT_EQ(predictions[i].compared.size(), 6U);
      const Compared& nearest = predictions[i].compared[0];
      EXPECT_EQ(nearest.specimen, "R" + std::to_string(1000 + nearest.spectrum / 2));
    }
  }
}

TEST_F(Origin, ComparesNoSpectrumWithItself) {
  const auto model = fit(Protocol::spectra, data_.examples);
  write_model(scratch_ / "model", data_, settings_, *model);
  const Predictor predictor(scratch_ / "model", backend_, 1);
  Spectrum learned = small_collection(60).spectra.front();
  Spectrum other = learned;
  for (std::size_t i = 0; i < other.intensities.size(); ++i) other.intensities[i] *= 1 + 0.01 * std::sin(double(i));
  const std::vector<Prediction> predictions = predictor.predict(std::vector{learned, other}, 0.9);
  ASSERT_TRUE(predictions[0].learned_from);
  for (const Compared& compared : predictions[0].compared) {
    EXPECT_LT(compared.similarity, 0.9999);
    EXPECT_NE(compared.spectrum, *find_spectrum(data_.examples, predictions[0].input));
  }
  EXPECT_FALSE(predictions[1].learned_from);
  EXPECT_EQ(predictions[1].compared[0].spectrum, *find_spectrum(data_.examples, predictions[0].input));
}

TEST_F(Origin, SaysWhatIsFarAndWhatIsOffTheGrid) {
  const auto model = fit(Protocol::specimen, data_.examples);
  write_model(scratch_ / "model", data_, settings_, *model);
  const Predictor predictor(scratch_ / "model", backend_, 1);
  std::vector<Spectrum> spectra = small_collection(3).spectra;
  Spectrum noise = spectra.front();
  Random random(1);
  for (double& v : noise.intensities) v = random.uniform();
  Spectrum outside = spectra.front();
  for (double& x : outside.shifts) x += 5000;
  spectra.push_back(noise);
  spectra.push_back(outside);
  const std::vector<Prediction> predictions = predictor.predict(spectra, 0.9);
  ASSERT_EQ(predictions.size(), 8U);
  EXPECT_FALSE(predictions[0].far);
  EXPECT_TRUE(predictions[6].far);
  EXPECT_THAT(predictions[7].failure, HasSubstr("grid"));
  EXPECT_THROW(static_cast<void>(predictor.predict(spectra, 0.3)), Error);
  EXPECT_THROW(static_cast<void>(predictor.predict(spectra, 0.905)), Error);
}

TEST_F(Origin, RefusesAFolderWhoseFilesDoNotFit) {
  const auto model = fit(Protocol::spectra, data_.examples);
  const auto broken = [&](const std::string& file, const std::string& text) {
    const std::filesystem::path folder = scratch_ / "broken";
    std::filesystem::remove_all(folder);
    write_model(folder, data_, settings_, *model);
    write_text_atomically(folder / file, text);
    EXPECT_THROW(Predictor(folder, backend_, 1), Error) << file << " " << text;
  };
  broken("reference.json", "[[1]]");
  broken("mixing.json", "{}");
  broken("config.json", "{}");
  nlohmann::json fitted = to_json(model->fitted());
  fitted["plain"]["reranker"]["mean"] = {1, 2};
  broken("mixing.json", fitted.dump());
  fitted = to_json(model->fitted());
  fitted["voices"] = {1};
  broken("mixing.json", fitted.dump());
}

}  // namespace
}  // namespace gyre::raman::origin_model_test
