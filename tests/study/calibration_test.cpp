#include "study/calibration.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <set>

#include "base/error.hpp"
#include "engine/probabilities.hpp"
#include "model_folder.hpp"

namespace gyre::calibration_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class CalibrationLosses : public ::testing::Test {
 protected:
  CalibrationLosses() {
    run_.loops = model_.spec().default_loops();
    run_.window = 8;
    Random random(2);
    for (const std::size_t length : {12, 5}) {
      auto& document = text_.documents.emplace_back();
      for (std::size_t t = 0; t < length; ++t) document.push_back(static_cast<std::int32_t>(random.below(16)));
    }
  }

  std::vector<DocumentOutcome> outcomes(std::size_t document, const RiskOptions& risk) {
    const RiskTask task = text_task(model_, text_, run_, risk);
    EXPECT_EQ(task.documents, 2U);
    const std::vector<ExitChoice> rules = {parse_exit("fixed"), parse_exit("fixed:loops=1")};
    return task.run(engine_, document, rules);
  }

  /// Log-probabilities of the positions of a window that begins at `begin`, token by token.
  std::vector<std::vector<float>> decoded(std::size_t document, std::size_t begin, BoundedExit* exit) {
    const auto& tokens = text_.documents[document];
    Sequence sequence = engine_.start(run_.loops, 8, KvPolicy{}, 1);
    std::vector<std::vector<float>> all;
    TokenDepth depth;
    for (std::size_t t = begin; t < std::min(begin + 8, tokens.size() - 1); ++t) {
      all.emplace_back(16);
      log_softmax(engine_.decode(sequence, tokens[t], exit, depth), all.back());
    }
    return all;
  }

  ModelFolder folder_;
  Model model_ = Model::load(folder_.path());
  Engine engine_{model_, 1};
  EvaluationOptions run_;
  MeasuredText text_;
};

TEST_F(CalibrationLosses, FullDepthCostsNothingAndRunsAllLoops) {
  for (const Risk risk : {Risk::disagreement, Risk::kl, Risk::rise}) {
    const DocumentOutcome full = outcomes(0, {.risk = risk})[0];
    EXPECT_EQ(full.loss, 0);
    EXPECT_EQ(full.tokens, 11);  // all but the first
    EXPECT_EQ(full.loops, 11 * (4 + 3));
  }
  EXPECT_EQ(outcomes(0, {.free_tokens = 5})[0].loss, 0);
}

TEST_F(CalibrationLosses, AreMeansOverTheTokensOfADocument) {
  for (const std::size_t document : {0U, 1U}) {
    double differ = 0;
    double kl = 0;
    double rise = 0;
    double count = 0;
    for (std::size_t begin = 0; begin + 1 < text_.documents[document].size(); begin += 8) {
      BoundedExit exit(parse_exit("fixed:loops=1"), {model_.spec(), run_.loops, {}});
      const auto full = decoded(document, begin, nullptr);
      const auto early = decoded(document, begin, &exit);
      for (std::size_t t = 0; t < full.size(); ++t, ++count) {
        const auto target = static_cast<std::size_t>(text_.documents[document][begin + t + 1]);
        differ += std::max_element(full[t].begin(), full[t].end()) - full[t].begin() ==
                          std::max_element(early[t].begin(), early[t].end()) - early[t].begin()
                      ? 0
                      : 1;
        kl += kl_divergence(full[t], early[t]);
        rise += static_cast<double>(full[t][target]) - static_cast<double>(early[t][target]);
      }
    }
    const DocumentOutcome outcome = outcomes(document, {})[1];
    EXPECT_EQ(outcome.tokens, count);
    EXPECT_EQ(outcome.loops, 2 * count);
    EXPECT_NEAR(outcome.loss, differ / count, 1e-9);
    EXPECT_NEAR(outcomes(document, {.risk = Risk::kl, .clip = 8})[1].loss, kl / count / 8, 1e-6);
    EXPECT_NEAR(outcomes(document, {.risk = Risk::rise, .clip = 8})[1].loss, std::max(0.0, rise / count / 8), 1e-6);
  }
}

TEST_F(CalibrationLosses, OfFreeTextsAreThePositionsThatDiffer) {
  constexpr int kTokens = 6;
  std::vector<std::vector<std::int32_t>> texts;
  for (const char* rule : {"fixed", "fixed:loops=1"}) {
    BoundedExit exit(parse_exit(rule), {model_.spec(), run_.loops, {}});
    Sequence sequence = engine_.start(run_.loops, 24, KvPolicy{}, 1);
    engine_.prefill(sequence, std::span(text_.documents[0]).first(2), Engine::Logits::none);
    std::int32_t token = text_.documents[0][2];
    auto& text = texts.emplace_back();
    TokenDepth depth;
    for (int t = 0; t < kTokens; ++t) {
      const auto logits = engine_.decode(sequence, token, &exit, depth);
      token = static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
      text.push_back(token);
    }
  }
  double differ = 0;
  for (std::size_t t = 0; t < kTokens; ++t) differ += texts[0][t] == texts[1][t] ? 0 : 1;
  EXPECT_GT(differ, 0);
  const DocumentOutcome outcome = outcomes(0, {.free_tokens = kTokens, .prompt_tokens = 3})[1];
  EXPECT_NEAR(outcome.loss, differ / kTokens, 1e-12);
  EXPECT_EQ(outcome.loops, 2 * kTokens);
}

TEST_F(CalibrationLosses, OfAnswersAreWhetherTheyAreWrong) {
  const Tokenizer tokenizer = Tokenizer::characters(kTestCharacters);
  std::vector<Example> examples;
  for (const char answer : kTestCharacters.substr(1)) examples.push_back({"abc", std::string(1, answer), 0, {}});
  const RiskTask task = examples_task(model_, tokenizer, examples, run_);
  double wrong = 0;
  for (std::size_t e = 0; e < examples.size(); ++e) {
    const std::vector<ExitChoice> rules = {parse_exit("fixed")};
    const DocumentOutcome outcome = task.run(engine_, e, rules)[0];
    wrong += outcome.loss;
    EXPECT_TRUE(outcome.loss == 0 || outcome.loss == 1);
    EXPECT_EQ(outcome.loops, 7);
  }
  EXPECT_GE(wrong, 14);  // one letter at most is the likeliest
}

TEST_F(CalibrationLosses, ADocumentOfOneTokenIsRefused) {
  text_.documents[1].resize(1);
  EXPECT_THAT([&] { text_task(model_, text_, run_, {}); },
              ThrowsMessage<Error>(HasSubstr("document 2 of 2 has 1 tokens; give documents of at least 2")));
}

TEST_F(CalibrationLosses, AFreeTextHasToFitTheContext) {
  EXPECT_THAT([&] { text_task(model_, text_, run_, {.free_tokens = 20, .prompt_tokens = 5}); },
              ThrowsMessage<Error>(HasSubstr("more than the context of 24")));
}

TEST(Clipped, IsAShareOfTheClip) {
  EXPECT_EQ(clipped(0.5, 2), 0.25);
  EXPECT_EQ(clipped(5, 2), 1);
  EXPECT_EQ(clipped(-0.1, 2), 0);
}

TEST(Risks, HaveNames) {
  EXPECT_EQ(parse_risk("rise", "--risk"), Risk::rise);
  EXPECT_EQ(name_of(Risk::error), "error");
}

/// A rule whose tokens run 8 loops below tau = 0.1, 2 from tau = 10 on and 5 between, and whose documents cost tau
/// / 10.
class Calibrate : public ::testing::Test {
 protected:
  Calibrate() {
    options_.loops = model_.spec().default_loops();
    options_.target.alpha = 0.2;
  }

  RiskTask task(std::size_t documents) {
    return {documents, [this](Engine&, std::size_t document, std::span<const ExitChoice> rules) {
              std::vector<DocumentOutcome> outcomes;
              for (const ExitChoice& rule : rules) {
                const double tau = rule.kind == "fixed" ? 0 : std::stod(rule.options.at("tau"));
                outcomes.push_back({std::min(1.0, tau / 10), tau < 0.1 ? 8.0 : tau >= 10 ? 2.0 : 5.0, 1});
              }
              const std::lock_guard lock(mutex_);
              if (rules.size() > 2) tried_.insert(document);
              if (rules.size() == 1) probed_.insert(document);
              return outcomes;
            }};
  }
  Calibration run(std::size_t documents, const char* rule = "accel") {
    return calibrate(model_, task(documents), parse_exit(rule), options_, {});
  }
  void refuses(std::size_t documents, const char* why, const char* rule = "accel") {
    EXPECT_THAT([&] { run(documents, rule); }, ThrowsMessage<Error>(HasSubstr(why)));
  }

  ModelFolder folder_;
  Model model_ = Model::load(folder_.path());
  CalibrationOptions options_;
  std::mutex mutex_;
  std::set<std::size_t> tried_;
  std::set<std::size_t> probed_;
};

TEST_F(Calibrate, ChoosesTheBoldestThatHolds) {
  options_.thresholds = {3, 0.05, 1, 0.5};
  const Calibration result = run(100);
  ASSERT_EQ(result.rows.size(), 4U);
  EXPECT_EQ(result.rows[1].rule.text, "accel:tau=0.5");
  EXPECT_EQ(result.chosen, 2U);  // tau = 1: a risk of 0.1, p = exp(-100 h(0.1, 0.2)) = 0.012
  EXPECT_NEAR(result.rows[2].test.risk, 0.1, 1e-9);
  EXPECT_NEAR(result.rows[2].loops_per_token, 5, 1e-9);
  EXPECT_EQ(result.documents, 100U);
  EXPECT_EQ(result.set_aside, 0U);
  EXPECT_EQ(result.full_loops, 8);
  EXPECT_EQ(result.full_risk, 0);
  EXPECT_EQ(result.key, "tau");
}

TEST_F(Calibrate, FindsAGridOnDocumentsThatAreNoPartOfTheTests) {
  const Calibration result = run(100);
  EXPECT_EQ(result.set_aside, 5U);
  EXPECT_EQ(result.documents, 95U);
  EXPECT_EQ(tried_.size(), 95U);
  EXPECT_EQ(probed_.size(), 5U);
  for (const std::size_t document : probed_) EXPECT_FALSE(tried_.contains(document));
  EXPECT_EQ(result.rows.front().loops_per_token, 8);
  EXPECT_EQ(result.rows.back().loops_per_token, 2);
}

TEST_F(Calibrate, DrawsTheDocumentsBySeed) {
  options_.thresholds = {0.5, 1};
  options_.most_documents = 20;
  EXPECT_EQ(run(100).documents, 20U);
  const std::set<std::size_t> first = tried_;
  EXPECT_NE(*first.rbegin(), 19U);  // not the first that come
  tried_.clear();
  options_.seed = 2;
  (void)run(100);
  EXPECT_NE(tried_, first);
}

TEST_F(Calibrate, SaysHowManyDocumentsAreNeeded) {
  options_.target.alpha = 0.05;
  refuses(20,
          "20 documents are too few for alpha 0.05 and delta 0.1: even if none cost anything, 45 are needed "
          "besides the 1 that the thresholds are found on");
  options_.thresholds = {1};
  refuses(44, "45 are needed;");
  options_.target.method = RiskMethod::conformal;
  refuses(18, "18 documents are too few for alpha 0.05: even if none cost anything, 19 are needed;");
}

TEST_F(Calibrate, RefusesThresholdsThatDecideNothing) {
  options_.thresholds = {0.01, 0.05};
  refuses(100, "exit accel: no token leaves at any of the thresholds, up to tau=0.05; try bolder ones");
  options_.thresholds = {10, 20};
  refuses(100, "exit accel: every token leaves as soon as it may from tau=10 on; try safer ones");
  options_.thresholds = {1, -2};
  refuses(100, "tau=-2 is nothing that accel takes");
}

TEST_F(Calibrate, RefusesARuleThatHasNothingToChoose) {
  const RiskTask never = {100, [](Engine&, std::size_t, std::span<const ExitChoice> rules) {
                            return std::vector<DocumentOutcome>(rules.size(), {0, 8, 1});
                          }};
  EXPECT_THAT([&] { calibrate(model_, never, parse_exit("accel:hits=9"), options_, {}); },
              ThrowsMessage<Error>(HasSubstr("exit accel:hits=9: 8.00 loops a token are run whatever tau is")));
}

}  // namespace
}  // namespace gyre::calibration_test
