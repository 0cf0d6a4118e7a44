#include "train/block_distillation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "base/error.hpp"
#include "model_folder.hpp"

namespace gyre::block_distillation_test {
namespace {

/// Four layers, of which the two in the middle are one block; texts of a fixed walk over the vocabulary.
class BlockDistillation : public ::testing::Test {
 protected:
  static ModelSpec spec() {
    ModelSpec spec = small_spec();
    spec.groups = {plain_group("layers", 4)};
    return spec;
  }

  BlockDistillation() {
    cut_layers(model_);
    options_.loops = model_.spec().default_loops();
    options_.window = 8;
    Random random(4);
    for (MeasuredText* text : {&training_, &measured_}) {
      auto& document = text->documents.emplace_back();
      for (int t = 0; t < 60; ++t) document.push_back(static_cast<std::int32_t>(random.below(16)));
    }
  }

  [[nodiscard]] std::vector<double> losses(int steps, std::uint64_t seed = 1) const {
    const std::vector<Window> training = cut_windows(training_, model_.spec(), {8, 0});
    const std::vector<Window> measured = cut_windows(measured_, model_.spec(), {8, 0});
    return distil_blocks({model_, blocks_, training, measured, steps, seed, 1, {}});
  }

  ModelFolder folder_{spec()};
  Model model_ = Model::load(folder_.path());
  std::vector<Segment> blocks_ = {{0, 0, 0}, {1, 2, 2}, {3, 3, 3}};
  EvaluationOptions options_;
  MeasuredText training_;
  MeasuredText measured_;
};

TEST_F(BlockDistillation, WithoutAStepScoresTheTiedBlocksAsTheEngineDoes) {
  const BlockStudy study = measure_blocks(model_, measured_, {blocks_}, options_, {});
  const std::vector<double> untrained = losses(0);
  EXPECT_EQ(untrained.size(), study.loss.units);
  EXPECT_NEAR(std::accumulate(untrained.begin(), untrained.end(), 0.0) / static_cast<double>(study.tokens),
              study.cuts[0].loss.value, 1e-5);
}

TEST_F(BlockDistillation, TrainingComesNearerToTheModel) {
  const BlockTrainer trainer = [&](std::span<const Segment> blocks, std::span<const Window> measured) {
    const std::vector<Window> training = cut_windows(training_, model_.spec(), {8, 0});
    return distil_blocks({model_, blocks, training, measured, 150, 1, 1, {}});
  };
  const std::vector<Segment> alone = {{0, 0, 0}, {1, 1, 1}, {2, 2, 2}, {3, 3, 3}};
  const BlockStudy study = measure_blocks(model_, measured_, {blocks_, alone}, options_, {}, trainer);
  ASSERT_TRUE(study.cuts[0].trained.has_value());
  EXPECT_FALSE(study.cuts[1].trained.has_value());  // nothing is tied
  const TrainedCut& trained = *study.cuts[0].trained;
  EXPECT_LT(std::abs(trained.difference.value), 0.7 * std::abs(study.cuts[0].difference.value));
  EXPECT_NEAR(trained.difference.value, trained.loss.value - study.loss.value, 1e-9);
  EXPECT_NEAR(trained.gain.value, trained.loss.value - study.cuts[0].loss.value, 1e-9);
}

TEST_F(BlockDistillation, IsAFunctionOfItsSeed) {
  EXPECT_EQ(losses(3), losses(3));
  EXPECT_NE(losses(3), losses(3, 2));
}

TEST_F(BlockDistillation, EqualLayersHaveNothingToLearn) {
  folder_.rewrite([](Weights& weights) {
    for (const auto& [name, values] : Weights(weights)) {
      if (name.starts_with("groups.0.layers.2.")) weights["groups.0.layers.1." + name.substr(18)] = values;
    }
  });
  model_ = Model::load(folder_.path());
  cut_layers(model_);
  const std::vector<double> before = losses(0);
  const std::vector<double> after = losses(20);
  for (std::size_t w = 0; w < before.size(); ++w) EXPECT_NEAR(after[w], before[w], 1e-3);
}

TEST_F(BlockDistillation, NoTextToTrainOnIsRefused) {
  const std::vector<Window> measured = cut_windows(measured_, model_.spec(), {8, 0});
  EXPECT_THAT(
      [&] {
        (void)distil_blocks({model_, blocks_, {}, measured, 1, 1, 1, {}});
      },
      ::testing::ThrowsMessage<Error>(::testing::HasSubstr("no text to train tied blocks on")));
}

}  // namespace
}  // namespace gyre::block_distillation_test
