#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.hpp"
#include "engine/probabilities.hpp"
#include "golden_checkpoint.hpp"
#include "model_folder.hpp"
#include "study/tasks/requests.hpp"
#include "study/tasks/task_evaluation.hpp"
#include "study/tokenizer_with_prefix.hpp"

namespace gyre::task_scoring_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// Ids of kTestCharacters: " " is 0, a is 1, b is 2 and so on.
TEST(TaskRequests, BlanksThatEndTheContextGoToTheAnswer) {
  const Tokenizer tokenizer = Tokenizer::characters(kTestCharacters);
  const TaskRequest request = choice_request({"ab  ", "c", 1}, tokenizer, 20, "here");
  EXPECT_THAT(request.context, ElementsAre(1, 2));
  EXPECT_THAT(request.continuation, ElementsAre(0, 0, 3));
  EXPECT_EQ(request.dropped, 0);
}

TEST(TaskRequests, TheTokensOfBothTogetherAreCutWhereTheContextEnds) {
  // "ab" and "abab" are tokens of this vocabulary: together they are another row of tokens than one by one.
  const Tokenizer tokenizer = Tokenizer::train_bpe("abab abab abab abab", 259);
  const std::vector<std::int32_t> whole = tokenizer.encode("abab");
  const std::vector<std::int32_t> first = tokenizer.encode("ab");
  ASSERT_LT(whole.size(), 2 * first.size());
  EXPECT_THAT(
      [&] {
        (void)choice_request({"ab", "ab", 2}, tokenizer, 20, "row 3");
      },
      ThrowsMessage<Error>(HasSubstr("row 3: the answer \"ab\" has no tokens of its own")));
  const TaskRequest request = choice_request({"ab", "abb", 2}, tokenizer, 20, "row 3");
  EXPECT_EQ(request.context, first);
  const std::vector<std::int32_t> both = tokenizer.encode("ababb");
  EXPECT_EQ(request.continuation, std::vector<std::int32_t>(both.begin() + 1, both.end()));
}

TEST(TaskRequests, WhatBeginsEveryTextBeginsTheContext) {
  const TaskRequest request = choice_request({"a", " b", 1}, tokenizer_with_prefix(), 20, "here");
  EXPECT_THAT(request.context, ElementsAre(16, 1));
  EXPECT_THAT(request.continuation, ElementsAre(0, 2));
}

TEST(TaskRequests, LongContextsLoseTheirBeginning) {
  const Tokenizer tokenizer = Tokenizer::characters(kTestCharacters);
  // Five tokens fit a window of four: the last is never run.
  EXPECT_EQ(choice_request({"abc", "de", 2}, tokenizer, 4, "here").dropped, 0);
  const TaskRequest request = choice_request({"abcde", "fg", 2}, tokenizer, 4, "here");
  EXPECT_THAT(request.context, ElementsAre(3, 4, 5));
  EXPECT_THAT(request.continuation, ElementsAre(6, 7));
  EXPECT_EQ(request.dropped, 2);
  EXPECT_THAT(choice_request({"ab", "cdef", 4}, tokenizer, 4, "here").context, ElementsAre(2));
  EXPECT_THAT(
      [&] {
        (void)choice_request({"ab", "cdefg", 5}, tokenizer, 4, "row 7");
      },
      ThrowsMessage<Error>(HasSubstr("row 7: an answer of 5 tokens is longer than the window of 4")));
  const TaskRequest generated = generation_request("abcde", tokenizer, 6, 3, "here");
  EXPECT_THAT(generated.context, ElementsAre(3, 4, 5));
  EXPECT_EQ(generated.dropped, 2);
  EXPECT_THAT([&] { (void)generation_request("abcde", tokenizer, 6, 6, "here"); },
              ThrowsMessage<Error>(HasSubstr("an answer of 6 tokens leaves no room")));
}

/// A small model with two looped groups, and questions of its characters.
class TaskScoring : public ::testing::Test {
 protected:
  TaskScoring() {
    options_.run.loops = model_.spec().default_loops();
    options_.run.window = 24;
    item_.choices = {{"ab cd", " ef", 2}, {"ab cd", " gha", 3}, {"b", " ef", 2}};
  }

  /// Sum of the log-probabilities of the answer's tokens, the whole text put in at once.
  double at_once_sum(const TaskChoice& choice) {
    const TaskRequest request = choice_request(choice, language_.tokenizer, 24, "here");
    std::vector<std::int32_t> tokens = request.context;
    tokens.insert(tokens.end(), request.continuation.begin(), request.continuation.end());
    Engine engine(model_, 1);
    Sequence sequence = start_sequence(engine, options_.run);
    const auto logits = engine.prefill(sequence, std::span(tokens).first(tokens.size() - 1), Engine::Logits::all);
    double sum = 0;
    std::vector<float> p(16);
    for (std::size_t t = request.context.size(); t < tokens.size(); ++t) {
      log_softmax(logits.subspan(16 * (t - 1), 16), p);
      sum += static_cast<double>(p[static_cast<std::size_t>(tokens[t])]);
    }
    return sum;
  }
  TaskOutcome score(BoundedExit* exit) {
    Engine engine(model_, 1);
    return score_item(engine, language_, item_, options_, exit);
  }
  TaskOutcome score(const std::string& rule) {
    BoundedExit exit(parse_exit(rule), {model_.spec(), options_.run.loops, {}});
    return score(&exit);
  }

  ModelFolder folder_;
  Model model_ = Model::load(folder_.path());
  Language language_{Tokenizer::characters(kTestCharacters), {}};
  TaskOptions options_;
  TaskItem item_{"here", TaskKind::choice};
};

TEST_F(TaskScoring, LogLikelihoodsAreThoseOfTheWholeText) {
  const TaskOutcome at_once = score(nullptr);
  const TaskOutcome by_token = score("fixed");
  ASSERT_EQ(at_once.answers.size(), 3);
  std::vector<double> sums;
  for (std::size_t i = 0; i < 3; ++i) {
    sums.push_back(at_once_sum(item_.choices[i]));
    EXPECT_NEAR(at_once.answers[i].log_likelihood, sums[i], 1e-5) << i;
    EXPECT_NEAR(by_token.answers[i].log_likelihood, sums[i], 1e-5) << i;
    EXPECT_EQ(at_once.answers[i].tokens, i == 1 ? 4 : 3);
  }
  EXPECT_EQ(at_once.chosen, static_cast<std::size_t>(std::max_element(sums.begin(), sums.end()) - sums.begin()));
  for (std::size_t i = 0; i < 3; ++i) sums[i] /= static_cast<double>(item_.choices[i].length);
  EXPECT_EQ(at_once.chosen_normed, static_cast<std::size_t>(std::max_element(sums.begin(), sums.end()) - sums.begin()));
  EXPECT_EQ(at_once.tokens, 10);
  EXPECT_EQ(at_once.loops, 10 * 7);
  EXPECT_EQ(by_token.loops, 10 * 7);
}

TEST_F(TaskScoring, ARuleHoldsForContextAndAnswer) {
  const TaskOutcome shallow = score("fixed:loops=1");
  EXPECT_EQ(shallow.loops, 10 * 2);  // one loop in each of two groups
  options_.run.loops = {1, 1, 1, 1};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(shallow.answers[i].log_likelihood, at_once_sum(item_.choices[i]), 1e-5) << i;
  }
}

TEST_F(TaskScoring, TheContextObeysTheRuleAsItsPromptExitSays) {
  const TaskOutcome each = score("fixed:loops=1");
  options_.run.prompt_exit = PromptExit::never;
  const TaskOutcome never = score("fixed:loops=1");
  // The pass that tells an answer's first token is the context's last: at full depth thrice.
  EXPECT_EQ(never.loops, 3 * 7 + 7 * 2);
  EXPECT_GT(std::abs(never.answers[0].log_likelihood - each.answers[0].log_likelihood), 1e-6);
  options_.run.prompt_exit = PromptExit::last;
  EXPECT_EQ(score("fixed:loops=1").loops, 10 * 2);
  options_.run.prompt_exit = PromptExit::whole;
  EXPECT_EQ(score("fixed:loops=1").loops, 10 * 2);
}

TEST_F(TaskScoring, GreedyIsWhatGreedyDecodingWrites) {
  item_.kind = TaskKind::number;
  item_.choices = {{"ab cd", "", 1}};
  options_.answer_tokens = 3;
  const std::string written = score(nullptr).text;
  ASSERT_EQ(written.size(), 3);
  EXPECT_EQ(score("fixed").text, written);
  item_.kind = TaskKind::words;
  item_.choices = {{"ab cd", written, 3}};
  EXPECT_TRUE(score(nullptr).answers.at(0).greedy);
  item_.choices[0].continuation[2] = written[2] == 'a' ? 'b' : 'a';
  EXPECT_FALSE(score(nullptr).answers.at(0).greedy);
}

TEST_F(TaskScoring, AnAnswerEndsBeforeTheModelsEnd) {
  item_.kind = TaskKind::number;
  item_.choices = {{"ab cd", "", 1}};
  options_.answer_tokens = 4;
  const std::string written = score(nullptr).text;
  language_.end_tokens = {language_.tokenizer.encode(written.substr(1, 1)).front()};
  const std::string shorter = score(nullptr).text;
  EXPECT_EQ(shorter, written.substr(0, written.find(written[1])));
  EXPECT_LT(shorter.size(), written.size());
}

TEST_F(TaskScoring, DifferencesArePairedWithTheFirstRule) {
  const Task& task = task_named("piqa");
  std::vector<TaskItem> items(4, item_);
  for (TaskItem& item : items) item.right = 0;
  const auto outcomes = [](const std::vector<std::size_t>& chosen) {
    std::vector<TaskOutcome> all;
    for (const std::size_t choice : chosen) {
      TaskOutcome outcome;
      outcome.chosen = choice;
      outcome.chosen_normed = 0;
      outcome.tokens = 2;
      outcome.loops = 6;
      outcome.milliseconds = 3;
      outcome.dropped = choice;
      all.push_back(outcome);
    }
    return all;
  };
  const TaskResult first = summarise_task("a", task, items, outcomes({0, 0, 0, 1}), nullptr);
  const TaskResult second = summarise_task("b", task, items, outcomes({1, 0, 1, 1}), &first);
  ASSERT_EQ(first.metrics.size(), 2);
  EXPECT_EQ(first.metrics[0].name, "acc");
  EXPECT_EQ(first.metrics[0].value, 0.75);
  EXPECT_EQ(first.loops_per_token, 3);
  EXPECT_EQ(first.milliseconds_per_item, 3);
  EXPECT_EQ(first.shortened, 1);
  EXPECT_EQ(second.metrics[0].value, 0.25);
  EXPECT_THAT(second.metrics[0].values, ElementsAre(0, 1, 0, 0));
  EXPECT_EQ(second.metrics[0].difference, -0.5);
  const std::vector<double> differences = {-1, 0, -1, 0};
  const Interval interval = bootstrap_ratio(differences, std::vector<double>(4, 1));
  EXPECT_EQ(second.metrics[0].difference_interval.low, interval.low);
  EXPECT_EQ(second.metrics[0].difference_interval.high, interval.high);
  EXPECT_EQ(second.metrics[0].verdict(), "unclear");
  EXPECT_EQ(second.metrics[1].name, "acc_norm");
  EXPECT_EQ(second.metrics[1].verdict(), "same");
}

TEST_F(TaskScoring, PerplexityIsOfTheMeanLogLikelihood) {
  std::vector<TaskItem> items(2, item_);
  for (TaskItem& item : items) item.kind = TaskKind::words;
  std::vector<TaskOutcome> outcomes(2);
  for (TaskOutcome& outcome : outcomes) outcome.tokens = 1;
  outcomes[0].answers = {{-1, 1, true}};
  outcomes[1].answers = {{-3, 2, false}};
  const TaskResult first = summarise_task("a", task_named("lambada"), items, outcomes, nullptr);
  EXPECT_EQ(first.metrics[0].value, 0.5);
  EXPECT_EQ(first.metrics[1].name, "perplexity");
  EXPECT_NEAR(first.metrics[1].value, std::exp(2.0), 1e-12);
  EXPECT_NEAR(first.metrics[1].interval.low, std::exp(1.0), 1e-12);
  EXPECT_NEAR(first.metrics[1].interval.high, std::exp(3.0), 1e-12);
  for (TaskOutcome& outcome : outcomes) outcome.answers[0].log_likelihood -= std::log(2.0);
  const TaskResult second = summarise_task("b", task_named("lambada"), items, outcomes, &first);
  EXPECT_NEAR(second.metrics[1].difference, 2, 1e-12);
  EXPECT_EQ(second.metrics[1].verdict(), "higher");
}

TEST_F(TaskScoring, ResultsAreTheSameWithMoreThreads) {
  std::vector<TaskItem> items;
  for (const char letter : std::string("abcdefg")) {
    TaskItem item{"here", TaskKind::choice};
    item.choices = {{std::string("ab") + letter, " ef", 2}, {std::string("ab") + letter, " gha", 3}};
    items.push_back(item);
  }
  const std::vector<ExitChoice> rules = {at_once(), parse_exit("accel:tau=0.5")};
  std::vector<std::vector<double>> sums;
  for (const int threads : {1, 3}) {
    options_.run.threads = threads;
    for (const TaskResult& row : evaluate_task(model_, language_, task_named("piqa"), items, rules, options_, {})) {
      sums.emplace_back();
      for (const TaskOutcome& outcome : row.outcomes) sums.back().push_back(outcome.answers[1].log_likelihood);
    }
  }
  EXPECT_EQ(sums[0], sums[2]);
  EXPECT_EQ(sums[1], sums[3]);
}

// golden_tasks.json: made rows, and what lm-evaluation-harness 0.4.5 made of them under PyTorch 1.13 on the tiny
// checkpoint tests/parity/golden/smollm2 with a tokenizer of one token for each character of its "alphabet".
TEST(TaskGolden, ItemsAreScoredAsByTheHarness) {
  const nlohmann::json golden_file = load_json(fs::path(GYRE_TEST_DIR) / "study" / "golden_tasks.json");
  const Model model = Model::load(golden() / "smollm2");
  const Language language{Tokenizer::characters(golden_file.at("alphabet").get<std::string>()), {}};
  TaskOptions options;
  options.run.loops = model.spec().default_loops();
  options.run.window = 2048;
  options.answer_tokens = 24;
  Engine engine(model, 1);
  const ScratchFolder folder;
  for (const auto& [name, task] : golden_file.at("tasks").items()) {
    const nlohmann::json rows = name == "bigbench" ? nlohmann::json{{"examples", task.at("rows")}} : task.at("rows");
    write_text_atomically(folder / "rows.json", rows.dump());
    const std::vector<TaskItem> items = read_task(task_named(name), folder / "rows.json", 100);
    std::vector<TaskOutcome> outcomes;
    for (std::size_t i = 0; i < items.size(); ++i) {
      SCOPED_TRACE(name + " " + std::to_string(i));
      outcomes.push_back(score_item(engine, language, items[i], options, nullptr));
      const nlohmann::json& expected = task.at("expected").at(i);
      if (items[i].kind == TaskKind::number) {
        EXPECT_EQ(outcomes[i].text, expected.at("text").get<std::string>());
      }
      for (std::size_t a = 0; a < outcomes[i].answers.size(); ++a) {
        EXPECT_NEAR(outcomes[i].answers[a].log_likelihood, expected.at("log_likelihoods").at(a).get<double>(), 5e-4);
        EXPECT_EQ(outcomes[i].answers[a].greedy, expected.at("greedy").at(a).get<bool>());
      }
    }
    const TaskResult result = summarise_task("prefill", task_named(name), items, outcomes, nullptr);
    for (const TaskMetric& metric : result.metrics) {
      EXPECT_NEAR(metric.value, task.at("metrics").at(metric.name).get<double>(), 1e-3 * metric.value) << name;
    }
  }
}

}  // namespace
}  // namespace gyre::task_scoring_test
