#include "raman/cross_validation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/json_object.hpp"
#include "raman/baselines.hpp"
#include "raman/report.hpp"
#include "raman/small_data.hpp"
#include "raman/summary.hpp"
#include "scratch_folder.hpp"

namespace gyre::raman::cross_validation_test {
namespace {

using testing::HasSubstr;

/// Networks of a fold: three of inner folds, and the one that stays.
constexpr std::size_t kNetworks = 4;

class CrossValidation : public testing::Test {
 protected:
  CrossValidation() : data_(small_dataset(60)) {
    settings_.config = {{"preprocessing", to_json(small_grid())}};
    settings_.where = "config.json";
    settings_.out = scratch_ / "run";
    settings_.folds = 4;
    claim_folder(data_, settings_);
  }

  [[nodiscard]] std::string message_of(const Dataset& data, const RunSettings& settings) const {
    try {
      claim_folder(data, settings);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  ScratchFolder scratch_;
  Dataset data_;
  RunSettings settings_;
  MeanBackend backend_;
};

/// Specimens of the examples that no fold may share between its two sides.
std::set<std::string> specimens_of(const Dataset& data, const std::vector<std::size_t>& examples) {
  std::set<std::string> names;
  for (const std::size_t i : examples) names.insert(data.specimens[i]);
  return names;
}

std::size_t shared(const std::set<std::string>& a, const std::set<std::string>& b) {
  std::size_t count = 0;
  for (const std::string& name : a) count += b.count(name);
  return count;
}

TEST_F(CrossValidation, NeverTrainsOnASpecimenThatItTests) {
  const std::vector<int> by_specimen = assign_folds(data_.groups_of("specimen"), settings_.folds, settings_.seed);
  const std::vector<int> by_spectrum = assign_folds(data_.groups_of("spectra"), settings_.folds, settings_.seed);
  std::size_t leaked = 0;
  for (int fold = 0; fold < settings_.folds; ++fold) {
    const FoldSplit split = split_fold(by_specimen, fold);
    EXPECT_EQ(shared(specimens_of(data_, split.training), specimens_of(data_, split.test)), 0U);
    EXPECT_EQ(split.training.size() + split.test.size(), data_.examples.size());
    const FoldSplit loose = split_fold(by_spectrum, fold);
    leaked += shared(specimens_of(data_, loose.training), specimens_of(data_, loose.test));
  }
  EXPECT_GT(leaked, 20U);  // the same check finds the leak of folds over spectra
}

TEST_F(CrossValidation, HandsTheModelTheTrainingSideAlone) {
  const auto folds = run_folds(data_, Protocol::specimen, settings_, backend_);
  ASSERT_TRUE(folds);
  ASSERT_EQ(backend_.trained_on.size(), 4 * kNetworks);
  std::vector<int> tested(data_.examples.size(), 0);
  for (std::size_t f = 0; f < 4; ++f) {
    EXPECT_EQ(backend_.trained_on[f * kNetworks + kNetworks - 1].size() + (*folds)[f].test.size(),
              data_.examples.size());
    for (const std::size_t i : (*folds)[f].test) {
      ++tested[i];
      // No input that any network of the fold was trained on, those of inner folds among them, equals the tested one.
      const auto input = data_.examples.input(i);
      for (std::size_t network = f * kNetworks; network < (f + 1) * kNetworks; ++network) {
        const Examples& training = backend_.trained_on[network];
        for (std::size_t k = 0; k < training.size(); ++k) {
          EXPECT_FALSE(std::equal(input.begin(), input.end(), training.input(k).begin()));
        }
      }
    }
  }
  EXPECT_THAT(tested, testing::Each(1));
}

TEST_F(CrossValidation, HandsTheBaselinesTheTrainingSideAndTheTestSide) {
  const auto folds = run_folds(data_, Protocol::specimen, settings_, backend_);
  ASSERT_TRUE(folds);
  const std::vector<int> dealt = assign_folds(data_.groups_of("specimen"), 4, settings_.seed);
  for (std::size_t f = 0; f < 4; ++f) {
    const FoldSplit split = split_fold(dealt, static_cast<int>(f));
    const Examples training = data_.examples.subset(split.training);
    const Examples test = data_.examples.subset(split.test);
    EXPECT_EQ((*folds)[f].test, split.test);
    for (const BaselineKind& kind : baseline_kinds()) {
      const Metrics expected = measure(kind.predict({training, test, Protocol::specimen}), test.labels);
      for (const auto& [name, member] : measure_names()) {
        EXPECT_EQ((*folds)[f].baselines.at(kind.name).*member, expected.*member) << kind.name << " " << name;
      }
    }
    EXPECT_EQ(backend_.seeds[f * kNetworks + kNetworks - 1], combine_seeds(settings_.seed, f));
  }
}

TEST_F(CrossValidation, ExplainsAFewTestSpectraOfEachCountry) {
  const auto folds = run_folds(data_, Protocol::specimen, settings_, backend_);
  ASSERT_TRUE(folds);
  const FoldResult& fold = folds->front();
  const Examples test = data_.examples.subset(fold.test);
  MeanBackend again;
  const Examples& training = backend_.trained_on[kNetworks - 1];
  const auto model = again.fit({settings_.config, "config.json", training, scratch_ / "x", "x", 1, 1});
  for (int c = 0; c < 3; ++c) {
    const auto all = std::count(test.labels.begin(), test.labels.end(), c);
    EXPECT_EQ(fold.attributed[static_cast<std::size_t>(c)], std::min<std::ptrdiff_t>(8, all));
    std::vector<double> mean(64, 0.0);
    int used = 0;
    for (std::size_t i = 0; i < test.size() && used < 8; ++i) {
      if (test.labels[i] != c) continue;
      ++used;
      const std::vector<float> one = model->attributions(test.input(i), std::vector<int>{c}, 1);
      for (std::size_t k = 0; k < 64; ++k) mean[k] += std::abs(one[k]);
    }
    for (std::size_t k = 0; k < 64; ++k) {
      EXPECT_NEAR(fold.attributions[static_cast<std::size_t>(c) * 64 + k], mean[k] / used, 1e-4);
    }
  }
}

TEST_F(CrossValidation, GoesOnWithTheFoldsThatAreMissing) {
  backend_.interrupt_at = 2 * kNetworks + 1;
  EXPECT_FALSE(run_folds(data_, Protocol::specimen, settings_, backend_));
  EXPECT_EQ(backend_.fits, 2 * kNetworks + 2);
  MeanBackend second;
  const auto resumed = run_folds(data_, Protocol::specimen, settings_, second);
  ASSERT_TRUE(resumed);
  EXPECT_EQ(second.fits, 2 * kNetworks);
  RunSettings whole = settings_;
  whole.out = scratch_ / "whole";
  claim_folder(data_, whole);
  const auto at_once = run_folds(data_, Protocol::specimen, whole, backend_);
  ASSERT_TRUE(at_once);
  for (std::size_t f = 0; f < 4; ++f) {
    for (const Method& method : methods()) {
      const MethodResult& a = (*resumed)[f].methods.at(method.name);
      const MethodResult& b = (*at_once)[f].methods.at(method.name);
      EXPECT_EQ(a.log_probabilities, b.log_probabilities) << method.name;
      EXPECT_EQ(a.held_out.of_truth, b.held_out.of_truth) << method.name;
      EXPECT_EQ(a.held_out.familiar, b.held_out.familiar) << method.name;
    }
    EXPECT_EQ((*resumed)[f].familiar, (*at_once)[f].familiar);
    EXPECT_EQ((*resumed)[f].attributions, (*at_once)[f].attributions);
    EXPECT_EQ((*resumed)[f].attributed, (*at_once)[f].attributed);
    EXPECT_EQ((*resumed)[f].test, (*at_once)[f].test);
    for (const auto& [name, member] : measure_names()) {
      EXPECT_EQ((*resumed)[f].baselines.at("linear").*member, (*at_once)[f].baselines.at("linear").*member) << name;
    }
  }
}

TEST_F(CrossValidation, RefusesAFolderOfAnotherRun) {
  EXPECT_THAT(message_of(data_, settings_), HasSubstr("--resume"));
  RunSettings resumed = settings_;
  resumed.resume = true;
  EXPECT_EQ(message_of(data_, resumed), "accepted");
  RunSettings other = resumed;
  other.seed = 2;
  EXPECT_THAT(message_of(data_, other), HasSubstr("another seed"));
  EXPECT_THAT(message_of(small_dataset(63), resumed), HasSubstr("other data"));
  // All that a result depends on makes another run; the number of threads does not.
  const std::string print = fingerprint(data_, resumed);
  other = resumed;
  other.folds = 5;
  EXPECT_NE(fingerprint(data_, other), print);
  other = resumed;
  other.config["training"] = {{"epochs", 3}};
  EXPECT_NE(fingerprint(data_, other), print);
  other = resumed;
  other.threads = 7;
  EXPECT_EQ(fingerprint(data_, other), print);
  const auto changed = [&](auto&& change) {
    Dataset data = data_;
    change(data);
    return fingerprint(data, resumed);
  };
  EXPECT_NE(changed([](Dataset& data) { data.examples.inputs[5] += 1; }), print);
  EXPECT_NE(changed([](Dataset& data) { data.examples.labels[5] ^= 1; }), print);
  EXPECT_NE(changed([](Dataset& data) { data.examples.mineral[5] += 1; }), print);
  EXPECT_NE(changed([](Dataset& data) { data.specimens[5] += "x"; }), print);
  EXPECT_NE(changed([](Dataset& data) { data.countries[0] = "FI"; }), print);
  EXPECT_NE(changed([](Dataset& data) { data.minerals[0] += "x"; }), print);
}

TEST_F(CrossValidation, WritesWhatARunDependsOn) {
  const nlohmann::json run = load_json(settings_.out / "run.json");
  EXPECT_EQ(run["fingerprint"], fingerprint(data_, settings_));
  EXPECT_EQ(run["config"], settings_.config);
  EXPECT_EQ(run["folds"], 4);
  EXPECT_EQ(run["seed"], 1);
}

TEST_F(CrossValidation, RefusesFoldsOfWhichNothingSaysWhatTheyAre) {
  ASSERT_TRUE(run_folds(data_, Protocol::specimen, settings_, backend_));
  std::filesystem::remove(settings_.out / "run.json");
  RunSettings resumed = settings_;
  resumed.resume = true;
  EXPECT_THAT(message_of(data_, resumed), HasSubstr("no run.json"));
}

TEST_F(CrossValidation, RefusesABrokenFold) {
  ASSERT_TRUE(run_folds(data_, Protocol::specimen, settings_, backend_));
  for (const char* content : {"{}", "[1, 2", R"({"test": [9999], "methods": {}, "familiar": [], "baselines": {},
                              "attributions": [], "attributed": [], "seconds": 1})"}) {
    write_text_atomically(settings_.out / "folds" / "specimen-1.json", content);
    EXPECT_THROW(static_cast<void>(run_folds(data_, Protocol::specimen, settings_, backend_)), Error) << content;
  }
}

TEST_F(CrossValidation, RunsOneFoldAsAmongAll) {
  const auto one = run_fold(data_, Protocol::specimen, 2, settings_, backend_);
  ASSERT_TRUE(one);
  EXPECT_EQ(backend_.fits, kNetworks);
  const auto all = run_folds(data_, Protocol::specimen, settings_, backend_);
  ASSERT_TRUE(all);
  EXPECT_EQ(backend_.fits, 4 * kNetworks);  // the fold that was there was not run again
  EXPECT_EQ((*all)[2].methods.at("plain").log_probabilities, one->methods.at("plain").log_probabilities);
}

TEST_F(CrossValidation, SummarisesWhatTheFoldsSay) {
  const auto folds = run_folds(data_, Protocol::specimen, settings_, backend_);
  ASSERT_TRUE(folds);
  const nlohmann::json summary = summarise_protocol(data_, Protocol::specimen, *folds, 4, "plain", 0.9);
  EXPECT_EQ(summary["specimen_in_training"], 0);
  EXPECT_GT(summary["model"]["accuracy"]["mean"], 0.8);
  EXPECT_EQ(summary["baselines"].size(), 5U);
  const double model = summary["model"]["accuracy"]["folds"][2];
  const double baseline = summary["baselines"][0]["measures"]["accuracy"]["folds"][2];
  EXPECT_NEAR(summary["baselines"][0]["model_minus_baseline"]["accuracy"]["folds"][2].get<double>(), model - baseline,
              1e-12);
  int counted = 0;
  for (const auto& row : summary["confusion"]) {
    for (const int cell : row) counted += cell;
  }
  EXPECT_EQ(counted, static_cast<int>(data_.examples.size()));
  const auto leaky = run_folds(data_, Protocol::spectra, settings_, backend_);
  EXPECT_GT(summarise_protocol(data_, Protocol::spectra, *leaky, 4, "plain", 0.9)["specimen_in_training"], 0.5);
}

TEST_F(CrossValidation, AsksTheBaselinesAloneAsItAsksThemBesideTheModel) {
  const auto folds = run_folds(data_, Protocol::specimen, settings_, backend_);
  const int fits = backend_.fits;
  const auto alone = run_baselines(data_, Protocol::specimen, settings_);
  ASSERT_TRUE(folds && alone);
  EXPECT_EQ(backend_.fits, fits);
  for (std::size_t f = 0; f < 4; ++f) {
    EXPECT_EQ((*alone)[f].test, (*folds)[f].test);
    for (const BaselineKind& kind : baseline_kinds()) {
      EXPECT_EQ((*alone)[f].baselines.at(kind.name).log_loss, (*folds)[f].baselines.at(kind.name).log_loss);
    }
  }
  const nlohmann::json whole = summarise_protocol(data_, Protocol::specimen, *folds, 4, "plain", 0.9);
  const nlohmann::json summary = summarise_baselines(data_, Protocol::specimen, *alone, 4);
  EXPECT_EQ(summary["mineral_in_training"], whole["mineral_in_training"]);
  for (std::size_t b = 0; b < 5; ++b) {
    const nlohmann::json& row = summary["baselines"][b];
    EXPECT_EQ(row["measures"], whole["baselines"][b]["measures"]);
    const double majority = summary["baselines"][0]["measures"]["brier"]["folds"][1];
    EXPECT_NEAR(row["minus_majority"]["brier"]["folds"][1].get<double>(),
                row["measures"]["brier"]["folds"][1].get<double>() - majority, 1e-12);
  }
}

TEST_F(CrossValidation, GivesAPageThatHoldsTheResultsAndNoScriptOfTheirs) {
  const auto folds = run_folds(data_, Protocol::specimen, settings_, backend_);
  ASSERT_TRUE(folds);
  const nlohmann::json results = {
      {"program", "</script><script>alert(1)</script>"},
      {"data", describe_data(data_, Gazetteer(), small_grid())},
      {"protocols", {summarise_protocol(data_, Protocol::specimen, *folds, 4, "plain", 0.9)}}};
  require_results(results, "results.json");
  const std::string page = report_page(results);
  EXPECT_THAT(page, HasSubstr("\"Peru\""));
  EXPECT_EQ(page.find("<script>alert"), std::string::npos);
  nlohmann::json odd = results;
  odd["program"] = "</script> <!-- ]]> & \u2028 \u2029 \xff /*GYRE_D3*/";
  const std::string escaped = report_page(odd);
  EXPECT_THAT(escaped, HasSubstr(R"(\u003c/script\u003e \u003c!-- ]]\u003e \u0026 \u2028 \u2029 \ufffd /*GYRE_D3*/)"));
  EXPECT_EQ(escaped.find("\xe2\x80\xa8"), page.find("\xe2\x80\xa8"));
  nlohmann::json poor = results;
  poor["protocols"][0].erase("sets");
  EXPECT_THROW(require_results(poor, "results.json"), Error);
  EXPECT_EQ(page.find("http://"), page.find("http://www.w3.org"));  // nothing is fetched
  EXPECT_THROW(require_results(nlohmann::json::object(), "results.json"), Error);
}

TEST(Dataset, LeavesOutCountriesWithTooFewSpectra) {
  Collection collection = small_collection(30);
  for (std::size_t i = 0; i < 3; ++i) collection.spectra[i].locality = "Chile";
  collection.spectra[3].locality = "Synthetic";
  collection.spectra[4].locality = "unknown";
  const auto labels = label_spectra(collection.spectra, Gazetteer());
  const Dataset data = build_dataset(collection, labels, small_grid(), 4);
  EXPECT_EQ(data.countries, (std::vector<std::string>{"JP", "NO", "PE"}));
  EXPECT_EQ(data.selection.rare, (std::map<std::string, int>{{"CL", 3}}));
  EXPECT_EQ(data.selection.origins.at("synthetic"), 1);
  EXPECT_EQ(data.selection.stated, 59);
  EXPECT_EQ(data.examples.size(), 55U);
  EXPECT_THROW(build_dataset(collection, labels, small_grid(), 1000), Error);
}

}  // namespace
}  // namespace gyre::raman::cross_validation_test
