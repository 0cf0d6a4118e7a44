#include "study/depth_evaluation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.hpp"
#include "engine/probabilities.hpp"
#include "model_folder.hpp"

namespace gyre::depth_evaluation_test {
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
    return evaluate_depths(model_, reference, {{tokens_}, {}}, depths, options_, {});
  }
  /// By the evaluation of whole windows at the loops of `options_`.
  double cross_entropy_of(const Model& model) {
    const std::vector<ExitChoice> rules = {at_once()};
    return evaluate_text(model, Tokenizer::characters(kTestCharacters), {{tokens_}, {}}, rules, options_, {})
        .at(0)
        .score.cross_entropy;
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
    EXPECT_NEAR(row.score.cross_entropy, cross_entropy_of(model_), 1e-9) << row.loops;
    EXPECT_EQ(row.score.tokens, 99);
    EXPECT_LT(row.score.cross_entropy_low, row.score.cross_entropy);
    EXPECT_GT(row.score.cross_entropy_high, row.score.cross_entropy);
  }
  EXPECT_NE(rows[0].score.cross_entropy, rows[2].score.cross_entropy);
}

TEST_F(DepthEvaluation, AModelIsNoDistanceFromItself) {
  for (const DepthQuality& row : evaluate(&model_, {1, 2, 4})) {
    EXPECT_EQ(row.score.kl, 0);
    EXPECT_EQ(row.score.same_choice, 1);
    EXPECT_EQ(row.score.reference_cross_entropy, row.score.cross_entropy);
  }
}

TEST_F(DepthEvaluation, AnotherModelIsComparedAtTheSameDepth) {
  for (const DepthQuality& row : evaluate(&other_, {1, 4})) {
    options_.loops = {1, row.loops, std::min(row.loops, 3), 1};
    EXPECT_NEAR(row.score.reference_cross_entropy, cross_entropy_of(other_), 1e-9);
    EXPECT_GT(row.score.kl, 0);
    EXPECT_LT(row.score.same_choice, 1);
  }
}

TEST_F(DepthEvaluation, WhatNarrowKeysAndValuesCostShows) {
  options_.kv_policy.type = KvType::q8_0;
  const DepthQuality row = evaluate(&model_, {4}).at(0);
  EXPECT_GT(row.score.kl, 0);
  EXPECT_LT(row.score.kl, 0.01);
}

TEST_F(DepthEvaluation, TheDistanceIsFromTheReferenceToTheModel) {
  tokens_.resize(9);
  const TextScore score = evaluate(&other_, {2}).at(0).score;
  const std::vector<int> loops = {1, 2, 2, 1};
  double kl = 0;
  double same = 0;
  std::vector<std::vector<float>> logits;
  for (const Model* model : {&other_, &model_}) {
    Engine engine(*model, 1);
    Sequence sequence = engine.start(loops, 8, KvPolicy{}, 1);
    const auto all = engine.prefill(sequence, std::span(tokens_).first(8), Engine::Logits::all);
    logits.emplace_back(all.begin(), all.end());
  }
  for (std::size_t t = 0; t < 8; ++t) {
    std::vector<float> p(16);
    std::vector<float> q(16);
    log_softmax(std::span(logits[0]).subspan(16 * t, 16), p);
    log_softmax(std::span(logits[1]).subspan(16 * t, 16), q);
    for (std::size_t i = 0; i < 16; ++i) {
      kl += std::exp(static_cast<double>(p[i])) * (static_cast<double>(p[i]) - static_cast<double>(q[i]));
    }
    same += likeliest(p) == likeliest(q) ? 1 : 0;
  }
  EXPECT_NEAR(score.kl, kl / 8, 1e-6);
  EXPECT_EQ(score.same_choice, same / 8);
  EXPECT_EQ(score.tokens, 8);
}

TEST_F(DepthEvaluation, PositionsOfContextAreNotScored) {
  options_.score_from = 5;
  EXPECT_EQ(evaluate(nullptr, {1}).at(0).score.tokens,
            36);  // 3 of each of 12 whole windows, none of the last 3 positions
}

TEST_F(DepthEvaluation, ReferencesOfAnotherShapeAreRefused) {
  ModelSpec spec = small_spec();
  spec.groups.pop_back();
  const ModelFolder shorter(spec);
  const Model three = Model::load(shorter.path());
  EXPECT_THAT([&] { evaluate(&three, {1}); }, ThrowsMessage<Error>(HasSubstr("the reference: it has 3 groups")));
}

}  // namespace
}  // namespace gyre::depth_evaluation_test
