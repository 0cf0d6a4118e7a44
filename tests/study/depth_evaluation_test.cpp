#include "study/depth_evaluation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "model_folder.hpp"

namespace gyre {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class DepthEvaluation : public ::testing::Test {
 protected:
  DepthEvaluation() {
    options_.loops = model_.spec().default_loops();
    options_.window = 8;
    Random random(2);
    for (int i = 0; i < 100; ++i) tokens_.push_back(static_cast<std::int32_t>(random.below(16)));
  }

  std::vector<DepthQuality> evaluate(const Model* reference, const std::vector<int>& depths) {
    return evaluate_depths(model_, reference, tokens_, depths, options_, {});
  }
  /// By the evaluation of whole windows at the loops of `options_`.
  double cross_entropy_of(const Model& model) {
    return evaluate_prefill(model, Tokenizer::characters(kTestCharacters), tokens_, options_, {}).cross_entropy;
  }

  ModelFolder folder_;
  ModelFolder other_folder_{small_spec(), 7};
  Model model_ = Model::load(folder_.path());
  Model other_ = Model::load(other_folder_.path());
  EvaluationOptions options_;
  std::vector<std::int32_t> tokens_;
};

TEST_F(DepthEvaluation, EveryDepthIsAModelOfSoManyLoops) {
  const std::vector<DepthQuality> rows = evaluate(nullptr, {1, 3, 4});
  ASSERT_EQ(rows.size(), 3U);
  for (const DepthQuality& row : rows) {
    options_.loops = {1, row.loops, std::min(row.loops, 3), 1};
    EXPECT_NEAR(row.cross_entropy, cross_entropy_of(model_), 1e-9) << row.loops;
    EXPECT_EQ(row.tokens, 99);
    EXPECT_LT(row.cross_entropy_low, row.cross_entropy);
    EXPECT_GT(row.cross_entropy_high, row.cross_entropy);
  }
  EXPECT_NE(rows[0].cross_entropy, rows[2].cross_entropy);
}

TEST_F(DepthEvaluation, AModelIsNoDistanceFromItself) {
  for (const DepthQuality& row : evaluate(&model_, {1, 2, 4})) {
    EXPECT_EQ(row.kl_to_reference, 0);
    EXPECT_EQ(row.same_choice, 1);
    EXPECT_EQ(row.reference_cross_entropy, row.cross_entropy);
  }
}

TEST_F(DepthEvaluation, AnotherModelIsComparedAtTheSameDepth) {
  for (const DepthQuality& row : evaluate(&other_, {1, 4})) {
    options_.loops = {1, row.loops, std::min(row.loops, 3), 1};
    EXPECT_NEAR(row.reference_cross_entropy, cross_entropy_of(other_), 1e-9);
    EXPECT_GT(row.kl_to_reference, 0);
    EXPECT_LT(row.same_choice, 1);
  }
}

TEST_F(DepthEvaluation, WhatNarrowKeysAndValuesCostShows) {
  options_.kv_policy.type = KvType::q8_0;
  const DepthQuality row = evaluate(&model_, {4}).at(0);
  EXPECT_GT(row.kl_to_reference, 0);
  EXPECT_LT(row.kl_to_reference, 0.01);
}

TEST_F(DepthEvaluation, PositionsOfContextAreNotScored) {
  options_.score_from = 5;
  EXPECT_EQ(evaluate(nullptr, {1}).at(0).tokens, 36);  // 3 of each of 12 whole windows, none of the last 3 positions
}

TEST_F(DepthEvaluation, ReferencesOfAnotherShapeAreRefused) {
  ModelSpec spec = small_spec();
  spec.groups.pop_back();
  const ModelFolder shorter(spec);
  const Model three = Model::load(shorter.path());
  EXPECT_THAT([&] { evaluate(&three, {1}); }, ThrowsMessage<Error>(HasSubstr("--reference: it has 3 groups")));
}

}  // namespace
}  // namespace gyre
