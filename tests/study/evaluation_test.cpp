#include "study/evaluation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.hpp"
#include "engine/probabilities.hpp"
#include "model_folder.hpp"

namespace gyre {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class Evaluation : public ::testing::Test {
 protected:
  Evaluation() {
    options_.loops = model_.spec().default_loops();
    options_.window = 8;
    Random random(2);
    for (int i = 0; i < 400; ++i) tokens_.push_back(static_cast<std::int32_t>(random.below(16)));
  }

  static std::vector<ExitChoice> rules(const std::vector<std::string>& texts) {
    std::vector<ExitChoice> choices;
    for (const std::string& text : texts) choices.push_back(parse_exit(text));
    return choices;
  }

  std::vector<RuleResult> evaluate(const std::vector<std::string>& texts) {
    return evaluate_text(model_, tokenizer_, tokens_, rules(texts), options_, {});
  }

  std::vector<LevelResult> answer(const std::vector<Example>& examples, const std::string& rule) {
    return evaluate_examples(model_, tokenizer_, examples, rules({rule}), options_, {}).at(0).levels;
  }

  ModelFolder folder_;
  Model model_ = Model::load(folder_.path());
  Tokenizer tokenizer_ = Tokenizer::characters(kTestCharacters);
  EvaluationOptions options_;
  std::vector<std::int32_t> tokens_;
};

TEST_F(Evaluation, FullDepthHasThePromptsCrossEntropyAndNoDivergence) {
  tokens_.resize(20);
  const RuleResult row = evaluate({"fixed"}).at(0);
  Engine engine(model_, 1);
  double sum = 0;
  for (std::size_t begin = 0; begin < 19; begin += 8) {
    const std::size_t count = std::min<std::size_t>(8, 19 - begin);
    Sequence sequence = engine.start(options_.loops, 8, KvPolicy{}, 1);
    const auto logits = engine.prefill(sequence, std::span(tokens_).subspan(begin, count), Engine::Logits::all);
    for (std::size_t t = 0; t < count; ++t) {
      std::vector<float> p(16);
      log_softmax(logits.subspan(16 * t, 16), p);
      sum -= static_cast<double>(p[static_cast<std::size_t>(tokens_[begin + t + 1])]);
    }
  }
  EXPECT_EQ(row.tokens, 19);
  EXPECT_NEAR(row.cross_entropy, sum / 19, 1e-5);
  EXPECT_NEAR(row.perplexity, std::exp(sum / 19), 1e-3);
  EXPECT_NEAR(row.bits_per_byte, sum / 19 / std::log(2.0), 1e-5);  // every token is one byte
  EXPECT_NEAR(row.kl_to_full, 0, 1e-6);
  EXPECT_LE(row.cross_entropy_low, row.cross_entropy);
  EXPECT_GE(row.cross_entropy_high, row.cross_entropy);
  EXPECT_EQ(row.loops_per_token, 4 + 3);
}

TEST_F(Evaluation, PositionsBeforeTheScoredOnesAreContextOnly) {
  tokens_.resize(20);  // windows of 8, 8 and 3 predictions
  const RuleResult all = evaluate({"fixed"}).at(0);
  options_.score_from = 5;
  const RuleResult late = evaluate({"fixed"}).at(0);
  EXPECT_EQ(late.tokens, 6);
  EXPECT_EQ(late.loops_per_token, all.loops_per_token);
  EXPECT_NE(late.cross_entropy, all.cross_entropy);
  options_.score_from = 8;
  EXPECT_THAT([&] { evaluate({"fixed"}); }, ThrowsMessage<Error>(HasSubstr("--score-from: 8 leaves nothing")));
}

TEST_F(Evaluation, PromptsAtOnceScoreWhatDecodingAtFullDepthScores) {
  tokens_.resize(60);  // seven windows of 8 predictions and one of 3
  for (const int score_from : {0, 5}) {
    options_.score_from = score_from;
    const RuleResult slow = evaluate({"fixed"}).at(0);
    const RuleResult fast = evaluate_prefill(model_, tokenizer_, tokens_, options_, {});
    EXPECT_EQ(fast.rule, "prefill");
    EXPECT_EQ(fast.tokens, slow.tokens);
    EXPECT_NEAR(fast.cross_entropy, slow.cross_entropy, 1e-5);
    EXPECT_NEAR(fast.cross_entropy_low, slow.cross_entropy_low, 1e-5);
    EXPECT_NEAR(fast.bits_per_byte, slow.bits_per_byte, 1e-5);
    EXPECT_EQ(fast.kl_to_full, 0);
    EXPECT_EQ(fast.loops_per_token, 4 + 3);
    EXPECT_EQ(fast.depths.at(0).counts, slow.depths.at(0).counts);
    EXPECT_GT(fast.milliseconds_per_token, 0);
  }
}

TEST_F(Evaluation, PromptsAtOnceAreTheSameOnSeveralThreadsAndUnderEveryPolicy) {
  const RuleResult one = evaluate_prefill(model_, tokenizer_, tokens_, options_, {});
  options_.threads = 3;
  options_.kv_policy = parse_kv_policy("last", "test");
  std::int64_t windows = 0;
  const auto count = [&](std::int64_t done, std::int64_t total) {
    windows = std::max(windows, done);
    EXPECT_EQ(total, 50);
  };
  EXPECT_EQ(evaluate_prefill(model_, tokenizer_, tokens_, options_, count).cross_entropy, one.cross_entropy);
  EXPECT_EQ(windows, 50);
}

TEST_F(Evaluation, PromptsAtOnceRefuseWhatCannotBeScored) {
  const auto prefill = [&](std::size_t count) {
    return evaluate_prefill(model_, tokenizer_, std::span(tokens_).first(count), options_, {});
  };
  EXPECT_THAT([&] { prefill(1); }, ThrowsMessage<Error>(HasSubstr("1 tokens")));
  options_.score_from = 8;
  EXPECT_THAT([&] { prefill(20); }, ThrowsMessage<Error>(HasSubstr("--score-from: 8 leaves nothing")));
  options_.score_from = 0;
  tokens_[3] = 16;
  EXPECT_THAT([&] { prefill(20); }, ThrowsMessage<Error>(HasSubstr("outside the vocabulary")));
}

TEST_F(Evaluation, DepthsAreCountedPerLoopedGroup) {
  const std::vector<RuleResult> rows = evaluate({"fixed", "fixed:loops=2/1"});
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1].rule, "fixed:loops=2/1");
  EXPECT_EQ(rows[1].loops_per_token, 3);
  ASSERT_EQ(rows[1].depths.size(), 2U);
  EXPECT_EQ(rows[1].depths[0].group, 1);
  EXPECT_EQ(rows[1].depths[0].counts, (std::vector<double>{0, 399, 0, 0}));
  EXPECT_EQ(rows[1].depths[1].counts, (std::vector<double>{399, 0, 0}));
  EXPECT_GT(rows[1].kl_to_full, 1e-4);
}

TEST_F(Evaluation, ARandomRuleLikeAnotherHasItsHistogram) {
  const std::vector<RuleResult> rows = evaluate({"random:like=2", "random:weights=1/0/2", "fixed"});
  ASSERT_EQ(rows.size(), 3U);
  for (std::size_t g = 0; g < 2; ++g) {
    for (std::size_t k = 0; k < 3; ++k) {
      const double share = rows[1].depths[g].counts[k] / 399;
      EXPECT_NEAR(rows[0].depths[g].counts[k], 399 * share, 5 * std::sqrt(399 * share * (1 - share)) + 1e-9);
    }
  }
  EXPECT_EQ(rows[2].loops_per_token, 7);
}

TEST_F(Evaluation, ARandomRuleCannotBeLikeItselfOrLikeAnotherLikeIt) {
  EXPECT_THAT([&] { evaluate({"fixed", "random:like=2"}); }, ThrowsMessage<Error>(HasSubstr("like")));
  EXPECT_THAT([&] { evaluate({"fixed", "random:like=1", "random:like=2"}); }, ThrowsMessage<Error>(HasSubstr("like")));
}

TEST_F(Evaluation, SeveralThreadsGiveTheSameResult) {
  const std::vector<std::string> texts = {"accel:tau=0.5", "random:weights=1/1/1", "random:like=1"};
  const std::vector<RuleResult> one = evaluate(texts);
  options_.threads = 3;
  const std::vector<RuleResult> three = evaluate(texts);
  for (std::size_t r = 0; r < texts.size(); ++r) {
    EXPECT_EQ(one[r].cross_entropy, three[r].cross_entropy);
    EXPECT_EQ(one[r].depths[0].counts, three[r].depths[0].counts);
  }
}

TEST_F(Evaluation, MistakesComeBeforeAnyWork) {
  int calls = 0;
  const auto count = [&](std::int64_t, std::int64_t) { ++calls; };
  EXPECT_THROW(evaluate_text(model_, tokenizer_, tokens_, rules({"fixed", "accel"}), options_, count), Error);
  EXPECT_THROW(evaluate_text(model_, tokenizer_, std::span(tokens_).first(1), rules({"fixed"}), options_, count),
               Error);
  EXPECT_EQ(calls, 0);
  // Nor may a wrong number wait for the first pass to end.
  EXPECT_THROW(evaluate_text(model_, tokenizer_, tokens_, rules({"fixed", "random:like=7"}), options_, count), Error);
  EXPECT_EQ(calls, 0);
}

TEST_F(Evaluation, ATargetOutsideTheVocabularyIsRefused) {
  // The tokenizer knows more tokens than the model, and the last token of a text is only a target.
  tokenizer_ = Tokenizer::bytes();
  tokens_ = {1, 2, 255};
  EXPECT_THAT([&] { evaluate({"fixed"}); }, ThrowsMessage<Error>(HasSubstr("outside the vocabulary")));
}

TEST_F(Evaluation, AnswersAreCountedByLevel) {
  // What the model answers to three prompts is right by definition; then one answer is made wrong.
  Engine engine(model_, 1);
  std::vector<Example> examples = {{"abc", "", 1, ""}, {"ef", "", 2, ""}, {"no a", "", 2, ""}};
  for (Example& example : examples) {
    Sequence sequence = engine.start(options_.loops, 8, KvPolicy{}, 1);
    std::vector<std::int32_t> text = tokenizer_.encode(example.prompt);
    for (int i = 0; i < 2; ++i) {
      const std::span<const std::int32_t> rest = i == 0 ? std::span(text) : std::span(text).last(1);
      const auto logits = engine.prefill(sequence, rest, Engine::Logits::last);
      text.push_back(static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
    }
    example.answer = tokenizer_.decode(std::span(text).last(2));
  }
  char& second = examples[2].answer[1];
  second = second == 'a' ? 'b' : 'a';
  const std::vector<LevelResult> levels = answer(examples, "fixed");
  ASSERT_EQ(levels.size(), 3U);
  EXPECT_EQ(levels[0].level, 1);
  EXPECT_EQ(levels[0].right, 1);
  EXPECT_EQ(levels[0].examples, 1);
  EXPECT_EQ(levels[1].level, 2);
  EXPECT_EQ(levels[1].right, 1);
  EXPECT_EQ(levels[1].examples, 2);
  EXPECT_EQ(levels[2].level, -1);
  EXPECT_EQ(levels[2].right, 2);
  EXPECT_EQ(levels[2].examples, 3);
  EXPECT_EQ(levels[2].loops_per_token, 7);
  EXPECT_EQ(answer(examples, "fixed:loops=1")[2].loops_per_token, 2);
}

TEST_F(Evaluation, AnExampleLongerThanTheWindowIsRefused) {
  EXPECT_THAT([&] { answer({{"abcdefghijk", "a", 0, ""}}, "fixed"); }, ThrowsMessage<Error>(HasSubstr("do not fit")));
}

}  // namespace
}  // namespace gyre
