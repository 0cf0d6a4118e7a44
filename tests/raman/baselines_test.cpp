#include "raman/baselines.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "raman/small_data.hpp"

namespace gyre::raman::baselines_test {
namespace {

/// Specimens with one row of three points each, the country and the mineral that are given.
class Rows {
 public:
  Rows& add(const std::vector<float>& input, int country, int mineral, int specimen) {
    examples_.inputs.insert(examples_.inputs.end(), input.begin(), input.end());
    examples_.labels.push_back(country);
    examples_.mineral.push_back(mineral);
    examples_.specimen.push_back(specimen);
    examples_.measurements.emplace_back();
    return *this;
  }
  [[nodiscard]] Examples examples() const { return examples_; }

 private:
  Examples examples_{8, 1, 3, 2, {}, {}, {}, {}, {}};
};

const std::vector<float> kLow = {1, 0, 0, 0, 0, 0, 0, 0};
const std::vector<float> kHigh = {0, 0, 0, 0, 0, 0, 0, 1};

TEST(Baselines, CountASpecimenOnce) {
  // Five spectra of one specimen are from country 2, two of two specimens from country 1.
  Rows rows;
  for (int i = 0; i < 5; ++i) rows.add(kLow, 2, 0, 7);
  rows.add(kLow, 1, 0, 8).add(kLow, 1, 0, 9);
  const Examples training = rows.examples();
  const Examples test = Rows().add(kLow, 0, 0, 20).examples();
  for (const auto& predict : {majority_baseline, mineral_baseline, kernel_baseline}) {
    EXPECT_EQ(predict({training, test, Protocol::specimen}).best(0), 1);
  }
  EXPECT_NEAR(majority_baseline({training, test, Protocol::specimen}).row(0)[1], 2.0 / 3, 1e-12);
}

TEST(Baselines, ListTheFindsOfTheMineral) {
  Rows rows;
  for (int i = 0; i < 6; ++i) rows.add(kLow, 0, 0, i);
  for (int i = 6; i < 10; ++i) rows.add(kLow, 2, 1, i);
  const Examples training = rows.examples();
  const Examples test = Rows().add(kHigh, 0, 0, 20).add(kHigh, 0, 1, 21).add(kHigh, 0, -1, 22).examples();
  const Probabilities mineral = mineral_baseline({training, test, Protocol::specimen});
  EXPECT_EQ(mineral.best(0), 0);
  EXPECT_EQ(mineral.best(1), 2);
  EXPECT_EQ(mineral.best(2), 0);  // a mineral that is not known: the majority
}

TEST(Baselines, FollowTheNearestAndTheLinearRule) {
  Rows rows;
  for (int i = 0; i < 12; ++i) {
    std::vector<float> input = i % 2 == 0 ? kLow : kHigh;
    input[3] = 0.02F * static_cast<float>(i);
    rows.add(input, i % 2 == 0 ? 0 : 2, i % 2, i);
  }
  const Examples training = rows.examples();
  const Examples test = Rows().add(kLow, 0, 0, 20).add(kHigh, 2, 1, 21).examples();
  for (const auto& predict : {neighbour_baseline, kernel_baseline, linear_baseline}) {
    const Probabilities p = predict({training, test, Protocol::specimen});
    EXPECT_EQ(p.best(0), 0);
    EXPECT_EQ(p.best(1), 2);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(p.row(i)[0] + p.row(i)[1] + p.row(i)[2], 1, 1e-5);
  }
}

TEST(Baselines, SeeNothingOfTheTestSideButItsSpectraAndMinerals) {
  const Dataset data = small_dataset(30);
  std::vector<std::size_t> first;
  std::vector<std::size_t> last;
  for (std::size_t i = 0; i < data.examples.size(); ++i) (i < 40 ? first : last).push_back(i);
  const Examples training = data.examples.subset(first);
  Examples test = data.examples.subset(last);
  for (const BaselineKind& kind : baseline_kinds()) {
    const Probabilities before = kind.predict({training, test, Protocol::specimen});
    Examples other = test;
    for (int& label : other.labels) label = 2 - label;
    for (int& specimen : other.specimen) specimen = 0;
    EXPECT_EQ(kind.predict({training, other, Protocol::specimen}).values, before.values) << kind.name;
  }
}

}  // namespace
}  // namespace gyre::raman::baselines_test
