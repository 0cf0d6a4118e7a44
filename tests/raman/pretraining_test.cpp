#include "raman/pretraining.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "raman/cross_validation.hpp"
#include "raman/masking.hpp"
#include "raman/origin_model.hpp"
#include "raman/small_data.hpp"
#include "scratch_folder.hpp"

namespace gyre::raman::pretraining_test {
namespace {

using testing::ElementsAre;

/// Networks of a fold: three of inner folds, and the one that stays.
constexpr std::size_t kNetworks = 4;

/// Sixty specimens of three countries. Of every fifth, one spectrum more that states no place, and of every mineral one
/// synthetic specimen.
Dataset data_with_more() {
  Collection collection = small_collection(60);
  const std::size_t located = collection.spectra.size();
  for (std::size_t i = 0; i < located; i += 10) {
    Spectrum unlabelled = collection.spectra[i];
    unlabelled.locality = "unknown";
    for (double& y : unlabelled.intensities) y += 0.25;
    unlabelled.intensities[100] += 9;
    collection.spectra.push_back(std::move(unlabelled));
  }
  for (std::size_t i = 0; i < located; i += 8) {
    Spectrum synthetic = collection.spectra[i];
    synthetic.locality = "Synthetic";
    synthetic.specimen = "S" + std::to_string(i);
    synthetic.intensities[120] += 7;
    collection.spectra.push_back(std::move(synthetic));
  }
  return build_dataset(collection, label_spectra(collection.spectra, Gazetteer()), small_grid(), 2);
}

std::set<int> numbers(const std::vector<int>& of) { return {of.begin(), of.end()}; }

std::size_t shared(const std::vector<int>& a, const std::vector<int>& b) {
  const std::set<int> known = numbers(b);
  return static_cast<std::size_t>(std::count_if(a.begin(), a.end(), [&](int n) { return known.contains(n); }));
}

class PretrainingSpectra : public testing::Test {
 protected:
  PretrainingSpectra() : data_(data_with_more()) {
    settings_.config = {{"preprocessing", to_json(small_grid())}};
    settings_.where = "config.json";
    settings_.out = scratch_ / "run";
    settings_.folds = 4;
    claim_folder(data_, settings_);
  }

  ScratchFolder scratch_;
  Dataset data_;
  RunSettings settings_;
  MeanBackend backend_;
};

TEST_F(PretrainingSpectra, AreAllThatAreNoExamples) {
  EXPECT_EQ(data_.examples.size(), 120U);
  EXPECT_EQ(data_.minerals.size(), 15U);
  ASSERT_EQ(data_.more.size(), 27U);
  EXPECT_THAT(data_.more.labels, testing::Each(-1));
  EXPECT_TRUE(data_.more.infrared.empty());
  // A spectrum without a place has the numbers of its specimen; synthetic ones are of known minerals and new specimens.
  EXPECT_EQ(data_.more.specimen[3], data_.examples.specimen[30]);
  EXPECT_EQ(data_.more.mineral[3], data_.examples.mineral[30]);
  EXPECT_EQ(data_.more.specimen[12], 60);
  EXPECT_EQ(data_.more.specimen[26], 74);
  EXPECT_EQ(data_.more.mineral[26], data_.examples.mineral[112]);
}

TEST_F(PretrainingSpectra, AreThoseOfRareCountriesToo) {
  Collection collection = small_collection(30);
  for (std::size_t i = 0; i < 3; ++i) collection.spectra[i].locality = "Chile";
  collection.spectra[1].mineral = "Xenotime";
  const Dataset data = build_dataset(collection, label_spectra(collection.spectra, Gazetteer()), small_grid(), 4);
  EXPECT_EQ(data.examples.size(), 57U);
  ASSERT_EQ(data.more.size(), 3U);
  EXPECT_EQ(data.more.mineral[1], data.examples.minerals);
  EXPECT_EQ(data.more.minerals, data.examples.minerals + 1);
  EXPECT_EQ(data.more.specimen[2], data.examples.specimen[0]);  // spectra 2 and 3 are of one specimen
}

TEST_F(PretrainingSpectra, AreInfraredOnesTooThatAreNeverExamples) {
  Collection collection = small_collection(60);
  collection.infrared = small_infrared(20);
  const Dataset data = build_dataset(collection, label_spectra(collection.spectra, Gazetteer()), small_grid(), 2);
  EXPECT_EQ(data.examples.inputs, small_dataset(60).examples.inputs);
  EXPECT_TRUE(data.examples.infrared.empty());
  EXPECT_EQ(data.selection.read, 120);
  EXPECT_EQ(data.selection.infrared, 20);
  ASSERT_EQ(data.more.size(), 20U);
  EXPECT_THAT(data.more.infrared, testing::Each(1));
  EXPECT_EQ(data.more.specimen[4], data.examples.specimen[8]);
  EXPECT_EQ(data.more.mineral[4], data.examples.mineral[8]);
  // They are kept from folds as Raman spectra of the same stones are.
  const auto folds = run_folds(data, Protocol::specimen, settings_, backend_);
  for (std::size_t network = 0; network < 4 * kNetworks; ++network) {
    const Examples test = data.examples.subset((*folds)[network / kNetworks].test);
    const Examples& more = backend_.pretrained_on[network];
    EXPECT_EQ(shared(more.specimen, test.specimen), 0U) << network;
    EXPECT_EQ(more.infrared.size(), more.size());
    EXPECT_THAT(backend_.trained_on[network].infrared, testing::IsEmpty());
  }
  const Examples all = pretraining_examples(data.examples, &data.more);
  EXPECT_EQ(std::count(all.infrared.begin(), all.infrared.begin() + 120, 0), 120);
  EXPECT_EQ(std::count(all.infrared.begin() + 120, all.infrared.end(), 1), 20);
}

// Leakage: nothing that a fold tests, nor what its protocol keeps together with it, may reach pretraining.

TEST_F(PretrainingSpectra, AreNotOfTestSpecimens) {
  const auto folds = run_folds(data_, Protocol::specimen, settings_, backend_);
  ASSERT_TRUE(folds);
  ASSERT_EQ(backend_.pretrained_on.size(), 4 * kNetworks);
  std::size_t seen = 0;
  for (std::size_t network = 0; network < 4 * kNetworks; ++network) {
    const Examples test = data_.examples.subset((*folds)[network / kNetworks].test);
    EXPECT_EQ(shared(backend_.pretrained_on[network].specimen, test.specimen), 0U) << network;
    seen += shared(backend_.pretrained_on[network].mineral, test.mineral);
  }
  EXPECT_GT(seen, 20U);  // minerals of the test side are there, as the protocol has it
  EXPECT_LT(backend_.pretrained_on[kNetworks - 1].size(), data_.more.size());
}

TEST_F(PretrainingSpectra, AreNotOfTestMinerals) {
  const auto folds = run_folds(data_, Protocol::mineral, settings_, backend_);
  ASSERT_TRUE(folds);
  std::size_t all = 0;
  for (std::size_t network = 0; network < 4 * kNetworks; ++network) {
    const Examples test = data_.examples.subset((*folds)[network / kNetworks].test);
    EXPECT_EQ(shared(backend_.pretrained_on[network].mineral, test.mineral), 0U) << network;
    all += backend_.pretrained_on[network].size();
  }
  EXPECT_GT(all, 100U);
}

TEST_F(PretrainingSpectra, AreOfAllSpecimensInFoldsOverSpectra) {
  const auto folds = run_folds(data_, Protocol::spectra, settings_, backend_);
  ASSERT_TRUE(folds);
  EXPECT_EQ(backend_.pretrained_on[kNetworks - 1].inputs, data_.more.inputs);
  std::size_t seen = 0;
  for (std::size_t f = 0; f < 4; ++f) {
    const Examples test = data_.examples.subset((*folds)[f].test);
    seen += shared(backend_.pretrained_on[f * kNetworks + kNetworks - 1].specimen, test.specimen);
  }
  EXPECT_GT(seen, 5U);  // the check above finds what it looks for
}

TEST_F(PretrainingSpectra, AreNotOfStonesThatInnerFoldsHoldOut) {
  for (const Protocol protocol : {Protocol::spectra, Protocol::specimen, Protocol::mineral}) {
    MeanBackend backend;
    ASSERT_TRUE(fit_origin({backend,
                            settings_.config,
                            "config.json",
                            data_.examples,
                            protocol,
                            scratch_ / "x",
                            "x",
                            5,
                            1,
                            {},
                            &data_.more}));
    for (std::size_t k = 0; k + 1 < kNetworks; ++k) {
      const std::set<int> specimens = numbers(backend.trained_on[k].specimen);
      const std::set<int> minerals = numbers(backend.trained_on[k].mineral);
      const Examples& more = backend.pretrained_on[k];
      EXPECT_GT(more.size(), 5U);
      EXPECT_LT(more.size(), data_.more.size());
      for (std::size_t i = 0; i < more.size(); ++i) {
        // Specimens from 60 on are synthetic and in no inner fold.
        EXPECT_TRUE(more.specimen[i] >= 60 || specimens.contains(more.specimen[i]));
        EXPECT_TRUE(protocol != Protocol::mineral || minerals.contains(more.mineral[i]));
      }
    }
    EXPECT_EQ(backend.pretrained_on.back().inputs, data_.more.inputs);
  }
}

TEST_F(PretrainingSpectra, AreNoCopiesOfTestSpectraUnderAnotherName) {
  Dataset data = data_;
  const FoldSplit split = split_fold(assign_folds(data.groups_of("spectra"), 4, settings_.seed), 0);
  const auto tested = data.examples.input(split.test[2]);
  std::copy(tested.begin(), tested.end(), data.more.inputs.begin() + 20 * 64);
  for (const Protocol protocol : {Protocol::spectra, Protocol::specimen, Protocol::mineral}) {
    const auto kept = may_pretrain(data.more, data.examples.subset(split.test), protocol);
    EXPECT_THAT(kept, testing::Not(testing::Contains(20U)));
    EXPECT_FALSE(kept.empty());
  }
  const auto kept = may_pretrain(data.more, data.examples.subset(split.training), Protocol::spectra);
  EXPECT_THAT(kept, testing::Contains(20U));
}

TEST_F(PretrainingSpectra, WithoutANumberAreOfNoTestSpecimen) {
  const Examples asked{2, 1, 1, 0, {1, 2}, {0}, {-1}, {-1}, {}};
  const Examples more{2, 1, 1, 0, {3, 4, 5, 6}, {-1, -1}, {-1, 4}, {-1, 4}, {}};
  for (const Protocol protocol : {Protocol::spectra, Protocol::specimen, Protocol::mineral}) {
    EXPECT_THAT(may_pretrain(more, asked, protocol), ElementsAre(0U, 1U));
  }
}

TEST_F(PretrainingSpectra, StandBehindTheTrainingExamples) {
  const Examples training{2, 1, 3, 5, {1, 2}, {2}, {4}, {7}, {Measurement{}}};
  const Examples more{2, 1, 3, 6, {3, 4, 5, 6}, {-1, -1}, {5, 4}, {8, -1}, {}};
  const Examples all = pretraining_examples(training, &more);
  EXPECT_THAT(all.inputs, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(all.labels, ElementsAre(2, -1, -1));
  EXPECT_THAT(all.mineral, ElementsAre(4, 5, 4));
  EXPECT_THAT(all.specimen, ElementsAre(7, 8, -1));
  EXPECT_EQ(pretraining_examples(training, nullptr).size(), 1U);
}

TEST_F(PretrainingSpectra, MakeAnotherRunWhereTheConfigAsksForThem) {
  Dataset other = data_;
  other.more.inputs[5] += 1;
  EXPECT_EQ(fingerprint(other, settings_), fingerprint(data_, settings_));
  RunSettings pretrained = settings_;
  pretrained.config["pretraining"] = {{"epochs", 3}};
  EXPECT_NE(fingerprint(data_, pretrained), fingerprint(data_, settings_));
  EXPECT_NE(fingerprint(other, pretrained), fingerprint(data_, pretrained));
  other = data_;
  other.more.mineral[5] += 1;
  EXPECT_NE(fingerprint(other, pretrained), fingerprint(data_, pretrained));
}

TEST(HiddenPoints, CoverTheirShareInStretches) {
  int covered = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto hidden = hidden_points(200, {0.4, 20}, seed);
    const auto count = static_cast<int>(std::count(hidden.begin(), hidden.end(), 1));
    EXPECT_GE(count, 80);
    EXPECT_LT(count, 100);
    covered += count;
    // Stretches within the grid are whole ones or overlap to longer ones.
    for (std::size_t i = 1; i < 180; ++i) {
      if (hidden[i] == 1 && hidden[i - 1] == 0) {
        EXPECT_EQ(std::count(hidden.begin() + static_cast<std::ptrdiff_t>(i),
                             hidden.begin() + static_cast<std::ptrdiff_t>(i) + 20, 1),
                  20);
      }
    }
  }
  EXPECT_NEAR(covered / 50.0, 88, 5);
}

TEST(HiddenPoints, AreEverywhereAlikeAndAFunctionOfTheSeed) {
  std::vector<int> often(100, 0);
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const auto hidden = hidden_points(100, {0.3, 10}, seed);
    for (std::size_t i = 0; i < 100; ++i) often[i] += hidden[i];
  }
  const auto [least, most] = std::minmax_element(often.begin(), often.end());
  EXPECT_GT(*least, 550);
  EXPECT_LT(*most, 800);
  EXPECT_EQ(hidden_points(100, {0.3, 10}, 7), hidden_points(100, {0.3, 10}, 7));
  EXPECT_NE(hidden_points(100, {0.3, 10}, 7), hidden_points(100, {0.3, 10}, 8));
  EXPECT_THAT(hidden_points(3, {0.9, 50}, 1), ElementsAre(1, 1, 1));
}

}  // namespace
}  // namespace gyre::raman::pretraining_test
