#include "study/evaluation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/error.hpp"
#include "engine/probabilities.hpp"
#include "model_folder.hpp"
#include "study/tokenizer_with_prefix.hpp"

namespace gyre::evaluation_test {
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
    for (const std::string& text : texts) choices.push_back(text == kAtOnce ? at_once() : parse_exit(text));
    return choices;
  }

  /// The first so many tokens as one document.
  [[nodiscard]] MeasuredText text(std::size_t count) const {
    return {{{tokens_.begin(), tokens_.begin() + static_cast<std::ptrdiff_t>(count)}}, prefix_};
  }
  RuleResult prefill() { return evaluate({"prefill"}).at(0); }

  std::vector<RuleResult> evaluate(const std::vector<std::string>& texts) {
    return evaluate_text(model_, tokenizer_, text(tokens_.size()), rules(texts), options_, {});
  }

  std::vector<LevelResult> answer(const std::vector<Example>& examples, const std::string& rule) {
    return evaluate_examples(model_, tokenizer_, examples, rules({rule}), options_, {}).at(0).levels;
  }

  ModelFolder folder_;
  Model model_ = Model::load(folder_.path());
  Tokenizer tokenizer_ = Tokenizer::characters(kTestCharacters);
  EvaluationOptions options_;
  std::vector<std::int32_t> tokens_;
  std::vector<std::int32_t> prefix_;
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
  EXPECT_EQ(row.score.tokens, 19);
  EXPECT_NEAR(row.score.cross_entropy, sum / 19, 1e-5);
  EXPECT_NEAR(row.score.perplexity, std::exp(sum / 19), 1e-3);
  EXPECT_NEAR(row.score.bits_per_byte, sum / 19 / std::log(2.0), 1e-5);  // every token is one byte
  EXPECT_NEAR(row.score.kl, 0, 1e-6);
  EXPECT_LE(row.score.cross_entropy_low, row.score.cross_entropy);
  EXPECT_GE(row.score.cross_entropy_high, row.score.cross_entropy);
  EXPECT_EQ(row.loops_per_token, 4 + 3);
}

TEST_F(Evaluation, PositionsBeforeTheScoredOnesAreContextOnly) {
  tokens_.resize(20);  // windows of 8, 8 and 3 predictions
  const RuleResult all = evaluate({"fixed"}).at(0);
  options_.score_from = 5;
  const RuleResult late = evaluate({"fixed"}).at(0);
  EXPECT_EQ(late.score.tokens, 6);
  EXPECT_EQ(late.loops_per_token, all.loops_per_token);
  EXPECT_NE(late.score.cross_entropy, all.score.cross_entropy);
  options_.score_from = 8;
  EXPECT_THAT([&] { evaluate({"fixed"}); }, ThrowsMessage<Error>(HasSubstr("scoring from 8 leaves nothing")));
}

TEST_F(Evaluation, PromptsAtOnceScoreWhatDecodingAtFullDepthScores) {
  tokens_.resize(60);  // seven windows of 8 predictions and one of 3
  for (const int score_from : {0, 5}) {
    options_.score_from = score_from;
    const RuleResult slow = evaluate({"fixed"}).at(0);
    const RuleResult fast = prefill();
    EXPECT_EQ(fast.rule, "prefill");
    EXPECT_EQ(fast.score.tokens, slow.score.tokens);
    EXPECT_NEAR(fast.score.cross_entropy, slow.score.cross_entropy, 1e-5);
    EXPECT_NEAR(fast.score.cross_entropy_low, slow.score.cross_entropy_low, 1e-5);
    EXPECT_NEAR(fast.score.bits_per_byte, slow.score.bits_per_byte, 1e-5);
    EXPECT_EQ(fast.score.kl, 0);
    EXPECT_EQ(fast.loops_per_token, 4 + 3);
    EXPECT_EQ(fast.depths.at(0).counts, slow.depths.at(0).counts);
    EXPECT_GT(fast.score.milliseconds_per_token, 0);
  }
}

TEST_F(Evaluation, PromptsAtOnceAreTheSameOnSeveralThreadsAndUnderEveryPolicy) {
  const RuleResult one = prefill();
  options_.threads = 3;
  options_.kv_policy = parse_kv_policy("last", "test");
  std::int64_t windows = 0;
  const auto count = [&](std::int64_t done, std::int64_t total) {
    windows = std::max(windows, done);
    EXPECT_EQ(total, 50);
  };
  EXPECT_EQ(evaluate_text(model_, tokenizer_, text(400), rules({"prefill"}), options_, count).at(0).score.cross_entropy,
            one.score.cross_entropy);
  EXPECT_EQ(windows, 50);
}

TEST_F(Evaluation, PromptsAtOnceRefuseWhatCannotBeScored) {
  const auto prefill = [&](std::size_t count) {
    return evaluate_text(model_, tokenizer_, text(count), rules({"prefill"}), options_, {});
  };
  EXPECT_THAT([&] { prefill(1); }, ThrowsMessage<Error>(HasSubstr("1 tokens")));
  options_.score_from = 8;
  EXPECT_THAT([&] { prefill(20); }, ThrowsMessage<Error>(HasSubstr("scoring from 8 leaves nothing")));
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
  EXPECT_GT(rows[1].score.kl, 1e-4);
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
  const std::vector<std::string> texts = {"accel:tau=0.5", "random:weights=1/1/1", "random:like=1",
                                          "any(random:weights=1/1/1;accel:tau=0.5)"};
  const std::vector<RuleResult> one = evaluate(texts);
  options_.threads = 3;
  const std::vector<RuleResult> three = evaluate(texts);
  for (std::size_t r = 0; r < texts.size(); ++r) {
    EXPECT_EQ(one[r].score.cross_entropy, three[r].score.cross_entropy);
    EXPECT_EQ(one[r].depths[0].counts, three[r].depths[0].counts);
  }
}

TEST_F(Evaluation, MistakesComeBeforeAnyWork) {
  int calls = 0;
  const auto count = [&](std::int64_t, std::int64_t) { ++calls; };
  EXPECT_THROW(evaluate_text(model_, tokenizer_, text(400), rules({"fixed", "accel"}), options_, count), Error);
  EXPECT_THROW(evaluate_text(model_, tokenizer_, text(1), rules({"fixed"}), options_, count), Error);
  EXPECT_EQ(calls, 0);
  // Nor may a wrong number wait for the first pass to end.
  EXPECT_THROW(evaluate_text(model_, tokenizer_, text(400), rules({"fixed", "random:like=7"}), options_, count), Error);
  EXPECT_EQ(calls, 0);
}

TEST_F(Evaluation, ATargetOutsideTheVocabularyIsRefused) {
  // The tokenizer knows more tokens than the model, and the last token of a text is only a target.
  tokenizer_ = Tokenizer::bytes();
  tokens_ = {1, 2, 255};
  EXPECT_THAT([&] { evaluate({"fixed"}); }, ThrowsMessage<Error>(HasSubstr("outside the vocabulary")));
}

TEST_F(Evaluation, ARuleIsComparedWithFullDepthAndScoresItsOwnLogits) {
  // Tokens of two bytes among tokens of one.
  tokenizer_ = Tokenizer::characters(" abcdefghijklmn\u00f6");
  tokens_.resize(18);
  tokens_[4] = 15;
  const std::vector<RuleResult> rows = evaluate({"fixed:loops=1", "fixed"});
  Engine engine(model_, 1);
  double loss = 0;
  double kl = 0;
  double bytes = 0;
  for (std::size_t begin = 0; begin < 17; begin += 8) {
    const std::size_t count = std::min<std::size_t>(8, 17 - begin);
    Sequence full = engine.start(options_.loops, 8, KvPolicy{}, 1);
    Sequence shallow = engine.start({1, 1, 1, 1}, 8, KvPolicy{}, 1);
    TokenDepth depth;
    for (std::size_t t = begin; t < begin + count; ++t) {
      std::vector<float> p(16);
      std::vector<float> q(16);
      log_softmax(engine.decode(full, tokens_[t], nullptr, depth), p);
      log_softmax(engine.decode(shallow, tokens_[t], nullptr, depth), q);
      const auto target = static_cast<std::size_t>(tokens_[t + 1]);
      loss -= static_cast<double>(q[target]);
      bytes += target == 15 ? 2 : 1;
      for (std::size_t i = 0; i < 16; ++i) {
        kl += std::exp(static_cast<double>(p[i])) * (static_cast<double>(p[i]) - static_cast<double>(q[i]));
      }
    }
  }
  const TextScore& score = rows[0].score;
  EXPECT_NEAR(score.cross_entropy, loss / 17, 1e-6);
  EXPECT_NEAR(score.kl, kl / 17, 1e-6);
  EXPECT_GT(score.kl, 1e-3);
  EXPECT_GE(bytes, 18);
  EXPECT_NEAR(score.bits_per_byte, loss / std::log(2.0) / bytes, 1e-6);
  EXPECT_EQ(rows[0].loops_per_token, 2);
  EXPECT_EQ(rows[1].score.kl, 0);
}

TEST_F(Evaluation, FullDepthIsNoDistanceFromItselfUnderEveryPolicyAndType) {
  tokens_.resize(40);
  for (const char* policy :
       {"latest", "full", "last", "all_or_last", "latest:ring=2", "latest:run=2", "latest:anchor=1"}) {
    for (const KvType type : {KvType::f32, KvType::bf16, KvType::q8_0}) {
      options_.kv_policy = parse_kv_policy(policy, "test");
      options_.kv_policy.type = type;
      EXPECT_EQ(evaluate({"fixed"}).at(0).score.kl, 0) << policy;
      EXPECT_EQ(evaluate({"fixed:loops=4/3"}).at(0).score.kl, 0) << policy;
      EXPECT_GT(evaluate({"fixed:loops=1"}).at(0).score.kl, 0) << policy;
    }
  }
}

TEST_F(Evaluation, RulesRunUnderThePolicyTheTypeAndTheFirstStatesAskedFor) {
  ModelSpec spec = small_spec();
  spec.groups[1].first_state = FirstState::noise;
  spec.groups[1].noise_std = 1;
  const ModelFolder folder(spec);
  model_ = Model::load(folder.path());
  tokens_.resize(40);
  const auto loss = [&] { return evaluate({"fixed"}).at(0).score.cross_entropy; };
  const double plain = loss();
  EXPECT_EQ(loss(), plain);
  options_.seed = 2;
  EXPECT_NE(loss(), plain);
  options_.start = NoiseStart::zero;
  const double zero = loss();
  EXPECT_NE(zero, plain);
  options_.seed = 1;
  EXPECT_EQ(loss(), zero);
  options_.kv_policy = parse_kv_policy("last", "test");
  const double last = loss();
  EXPECT_NE(last, zero);
  options_.kv_policy.type = KvType::bf16;
  EXPECT_NE(loss(), last);
}

TEST_F(Evaluation, WindowsBeginWithThePrefix) {
  prefix_ = {9};
  tokens_.resize(7);
  std::vector<std::int32_t> behind = {9};
  behind.insert(behind.end(), tokens_.begin(), tokens_.end());
  const std::vector<RuleResult> begun = evaluate({"fixed", "prefill"});
  EXPECT_EQ(begun[0].score.tokens, 7);
  prefix_.clear();
  tokens_ = behind;
  const std::vector<RuleResult> written = evaluate({"fixed", "prefill"});
  EXPECT_EQ(begun[0].score.cross_entropy, written[0].score.cross_entropy);
  EXPECT_EQ(begun[1].score.cross_entropy, written[1].score.cross_entropy);
  EXPECT_EQ(written[0].score.tokens, 7);
}

TEST_F(Evaluation, DocumentsAreScoredAsIfAlone) {
  const auto losses = [&](std::vector<std::vector<std::int32_t>> documents) {
    const TextScore score =
        evaluate_text(model_, tokenizer_, {std::move(documents), {}}, rules({"fixed"}), options_, {}).at(0).score;
    return score.cross_entropy * static_cast<double>(score.tokens);
  };
  EXPECT_NEAR(losses({{1, 2, 3}, {4, 5, 6, 7}}), losses({{1, 2, 3}}) + losses({{4, 5, 6, 7}}), 1e-9);
}

TEST_F(Evaluation, LogitsThatAreNotFiniteNameTheirToken) {
  ModelSpec spec = small_spec();
  spec.tied_head = false;
  spec.final_norm = false;
  ModelFolder folder(spec);
  folder.rewrite([](Weights& weights) {
    // Token 5 gives a state whose logits overflow.
    std::vector<float>& embed = weights.at("embed.weight");
    std::fill(embed.begin() + 5 * 16, embed.begin() + 6 * 16, 3e38F);
  });
  model_ = Model::load(folder.path());
  tokens_ = std::vector<std::int32_t>(20, 2);
  tokens_[11] = 5;
  for (const char* rule : {"fixed", "prefill", "step:tau=0.1"}) {
    EXPECT_THAT([&] { evaluate({rule}); }, ThrowsMessage<Error>(HasSubstr("token 12 (from 0) of the text"))) << rule;
  }
}

TEST_F(Evaluation, DrawsAreOthersOnEveryWindowAndForEveryExample) {
  options_.window = 1;  // a window is a draw
  tokens_.resize(60);
  const RuleResult row = evaluate({"random:weights=1/1/1/1"}).at(0);
  for (const double count : row.depths[0].counts) EXPECT_GT(count, 0);
  options_.window = 8;
  std::vector<Example> examples;
  for (int level = 0; level < 30; ++level) examples.push_back({"a", "b", level, ""});
  std::set<double> loops;
  for (const LevelResult& level : answer(examples, "random:weights=1/1/1/1")) loops.insert(level.loops_per_token);
  EXPECT_GT(loops.size(), 3U);
}

TEST_F(Evaluation, ProgressCountsTheWindowsOfBothPasses) {
  tokens_.resize(41);  // five windows
  std::vector<std::int64_t> told;
  const auto hear = [&](std::int64_t done, std::int64_t total) {
    told.push_back(done);
    EXPECT_EQ(total, 10);
  };
  evaluate_text(model_, tokenizer_, text(41), rules({"fixed:loops=1", "random:like=1"}), options_, hear);
  EXPECT_EQ(told, (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
}

TEST_F(Evaluation, OnlyRulesThatAreMeasuredInTheSecondPassWaitForIt) {
  // A rule that is like another has the other's depth on every token when that is one.
  const std::vector<RuleResult> rows = evaluate({"random:like=2", "fixed:loops=2/3", "prefill", "random:like=3"});
  EXPECT_EQ(rows[0].loops_per_token, 5);
  EXPECT_EQ(rows[3].loops_per_token, 7);
  EXPECT_EQ(rows[0].score.cross_entropy, rows[1].score.cross_entropy);
  EXPECT_EQ(rows[0].score.kl, rows[1].score.kl);
}

TEST(OrderOfRules, BeginsWithAnotherOnEveryWindow) {
  EXPECT_EQ(order_of_rules(3, 0), (std::vector<std::size_t>{0, 1, 2}));
  EXPECT_EQ(order_of_rules(3, 1), (std::vector<std::size_t>{1, 2, 0}));
  EXPECT_EQ(order_of_rules(3, 5), (std::vector<std::size_t>{2, 0, 1}));
}

TEST(LoopsPerToken, AreThoseOfAllGroupsTogether) {
  // Two tokens of 1 loop, one of 3; all three of 2 in the other group.
  const std::vector<DepthHistogram> depths = {{1, {2, 0, 1}}, {2, {0, 3}}};
  EXPECT_DOUBLE_EQ(loops_per_token(depths, 3), 5.0 / 3 + 2);
}

TEST(SummariseExamples, ByHand) {
  const std::vector<ExampleOutcome> outcomes = {
      {2, true, 6, 2, 10, 30}, {1, false, 4, 1, 5, 10}, {2, false, 5, 1, 5, 20}};
  const ExamplesResult result = summarise_examples("rule", outcomes);
  EXPECT_EQ(result.rule, "rule");
  EXPECT_DOUBLE_EQ(result.milliseconds_per_token, 3);
  ASSERT_EQ(result.levels.size(), 3U);
  EXPECT_EQ(result.levels[0].level, 1);
  EXPECT_EQ(result.levels[0].examples, 1);
  EXPECT_EQ(result.levels[0].right, 0);
  EXPECT_DOUBLE_EQ(result.levels[0].loops_per_token, 4);
  EXPECT_EQ(result.levels[1].level, 2);
  EXPECT_EQ(result.levels[1].examples, 2);
  EXPECT_EQ(result.levels[1].right, 1);
  EXPECT_DOUBLE_EQ(result.levels[1].loops_per_token, 4);
  EXPECT_EQ(result.levels[2].level, -1);
  EXPECT_EQ(result.levels[2].examples, 3);
  EXPECT_EQ(result.levels[2].right, 1);
  EXPECT_DOUBLE_EQ(result.levels[2].accuracy.value, 1.0 / 3);
  EXPECT_DOUBLE_EQ(result.levels[2].accuracy.interval.low, 0);   // 8 of 27 resamples have none
  EXPECT_DOUBLE_EQ(result.levels[2].accuracy.interval.high, 1);  // and 1 of 27 three
  EXPECT_TRUE(std::isnan(result.levels[0].accuracy.interval.low));
  EXPECT_DOUBLE_EQ(result.levels[2].loops_per_token, 4);
}

TEST_F(Evaluation, ExamplesBeginAsTextsDo) {
  ModelSpec spec = small_spec();
  spec.vocab_size = 17;
  const ModelFolder folder(spec);
  model_ = Model::load(folder.path());
  Engine engine(model_, 1);
  int differ = 0;
  for (const char first : {'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'}) {
    const std::string prompt = {first, 'i'};
    const auto answered = [&](const std::vector<std::int32_t>& tokens) {
      Sequence sequence = engine.start(options_.loops, 8, KvPolicy{}, 1);
      const auto logits = engine.prefill(sequence, tokens, Engine::Logits::last);
      return static_cast<std::int32_t>(likeliest(logits));
    };
    std::vector<std::int32_t> tokens = {16, tokenizer_.encode(prompt)[0], tokenizer_.encode(prompt)[1]};
    const std::int32_t begun = answered(tokens);
    const std::int32_t bare = answered({tokens[1], tokens[2]});
    if (begun == bare || begun == 16 || bare == 16) continue;
    ++differ;
    const std::vector<Example> examples = {{prompt, tokenizer_.piece(begun), 0, ""},
                                           {prompt, tokenizer_.piece(bare), 1, ""}};
    const auto levels =
        evaluate_examples(model_, tokenizer_with_prefix(), examples, rules({"fixed"}), options_, {}).at(0).levels;
    EXPECT_EQ(levels[0].right, 1);
    EXPECT_EQ(levels[1].right, 0);
  }
  EXPECT_GT(differ, 0);
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

TEST_F(Evaluation, AnAnswerIsRightWhenAllOfItsTokensAre) {
  Engine engine(model_, 1);
  Sequence sequence = engine.start(options_.loops, 8, KvPolicy{}, 1);
  std::vector<std::int32_t> said;
  std::vector<std::int32_t> next = tokenizer_.encode("abc");
  for (int i = 0; i < 3; ++i) {
    said.push_back(static_cast<std::int32_t>(likeliest(engine.prefill(sequence, next, Engine::Logits::last))));
    next = {said.back()};
  }
  std::vector<Example> examples = {{"abc", tokenizer_.decode(said), 0, ""}};
  for (std::size_t wrong = 0; wrong < 3; ++wrong) {
    std::vector<std::int32_t> other = said;
    other[wrong] = (other[wrong] + 1) % 16;
    examples.push_back({"abc", tokenizer_.decode(other), static_cast<int>(wrong) + 1, ""});
  }
  const std::vector<LevelResult> levels = answer(examples, "fixed");
  EXPECT_EQ(levels[0].right, 1);
  for (std::size_t wrong = 1; wrong <= 3; ++wrong) EXPECT_EQ(levels[wrong].right, 0) << wrong;
}

TEST_F(Evaluation, AnExampleLongerThanTheWindowIsRefused) {
  EXPECT_THAT([&] { answer({{"abcdefghijk", "a", 0, ""}}, "fixed"); }, ThrowsMessage<Error>(HasSubstr("do not fit")));
}

}  // namespace
}  // namespace gyre::evaluation_test
