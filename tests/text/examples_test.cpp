#include "text/examples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "scratch_folder.hpp"

namespace gyre::examples_test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Example ask(const std::string& prompt, int level, const std::string& answer = "a") {
  return {prompt, answer, level, ""};
}

std::set<std::string> prompts_of(const std::vector<Example>& examples) {
  std::set<std::string> prompts;
  for (const Example& example : examples) prompts.insert(example.prompt);
  return prompts;
}

/// `count` examples of one level over `prompts` different prompts, in turn.
std::vector<Example> turns(int level, int prompts, int count) {
  std::vector<Example> examples;
  for (int i = 0; i < count; ++i) {
    examples.push_back(ask("level " + std::to_string(level) + ", " + std::to_string(i % prompts), level));
  }
  return examples;
}

TEST(ReadExamples, TakesEveryFieldAndSkipsEmptyLines) {
  const ScratchFolder scratch;
  std::ofstream(scratch / "e.jsonl") << R"({"prompt":"p","answer":"a"})"
                                     << "\n\n"
                                     << R"({"labels":" x","level":3,"answer":"b","prompt":"qr"})";
  const std::vector<Example> read = read_examples(scratch / "e.jsonl");
  EXPECT_EQ(read, (std::vector<Example>{{"p", "a", 0, ""}, {"qr", "b", 3, " x"}}));
}

TEST(ReadExamples, NamesTheLineOfAMistake) {
  const ScratchFolder scratch;
  for (const std::string line : {R"({"prompt":"p"})", R"({"prompt":"","answer":"a"})", R"({"prompt":"p","answer":""})",
                                 R"({"prompt":"p","answer":"a","level":-1})", "[1]", "{"}) {
    std::ofstream(scratch / "e.jsonl") << R"({"prompt":"p","answer":"a"})"
                                       << "\n\n"
                                       << line << "\n";
    try {
      read_examples(scratch / "e.jsonl");
      ADD_FAILURE() << "no error for " << line;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("e.jsonl, line 3")) << line;
    }
  }
  std::ofstream(scratch / "e.jsonl") << "\n";
  EXPECT_THROW(read_examples(scratch / "e.jsonl"), Error);
}

TEST(ExampleSplit, HasEveryPromptOnOneSide) {
  std::vector<Example> examples = turns(1, 20, 400);
  for (const Example& example : turns(2, 300, 400)) examples.push_back(example);
  const ExampleSplit split = split_examples(examples, 0.1);
  const std::set<std::string> training = prompts_of(split.training);
  const std::set<std::string> validation = prompts_of(split.validation);
  for (const std::string& prompt : validation) EXPECT_FALSE(training.contains(prompt)) << prompt;
  EXPECT_EQ(training.size() + validation.size(), 320U);
}

// 20 prompts and a share of 0.1: two; 300: thirty; 5: 0.5, rounded up to one; one alone must train.
TEST(ExampleSplit, HoldsOutItsShareOfThePromptsOfEachLevel) {
  std::vector<Example> examples;
  for (const auto& [level, prompts] : std::map<int, int>{{1, 20}, {2, 300}, {3, 5}, {4, 1}, {5, 3}}) {
    for (const Example& example : turns(level, prompts, 600)) examples.push_back(example);
  }
  std::map<int, int> held;
  for (const Example& example : split_examples(examples, 0.1).validation) ++held[example.level];
  EXPECT_EQ(held, (std::map<int, int>{{1, 2}, {2, 30}, {3, 1}, {5, 1}}));
}

TEST(ExampleSplit, NeverHoldsOutAll) {
  EXPECT_EQ(split_examples(turns(0, 2, 10), 0.9).training.size(), 5U);
  EXPECT_EQ(split_examples(turns(0, 10, 10), 0.9).training.size(), 1U);
}

TEST(ExampleSplit, WithAShareOfZeroHoldsOutNone) {
  const ExampleSplit split = split_examples(turns(0, 10, 10), 0);
  EXPECT_EQ(split.training.size(), 10U);
  EXPECT_THAT(split.validation, IsEmpty());
}

// The prompts of the lowest hashes validate.
TEST(ExampleSplit, ChoosesByTheHashOfThePrompt) {
  const std::vector<Example> examples = {ask("one", 0), ask("two", 0), ask("three", 0), ask("four", 0)};
  std::map<std::string, std::string> by_hash;
  for (const Example& example : examples) {
    by_hash[sha256(std::as_bytes(std::span(example.prompt)))] = example.prompt;
  }
  const std::string lowest = by_hash.begin()->second;
  EXPECT_EQ(prompts_of(split_examples(examples, 0.25).validation), std::set<std::string>{lowest});
}

TEST(ExampleSplit, DoesNotDependOnTheOrderOrOnOtherLevels) {
  std::vector<Example> examples = turns(1, 40, 200);
  const std::set<std::string> before = prompts_of(split_examples(examples, 0.2).validation);
  std::reverse(examples.begin(), examples.end());
  for (const Example& example : turns(2, 30, 100)) examples.push_back(example);
  std::set<std::string> after;
  for (const Example& example : split_examples(examples, 0.2).validation) {
    if (example.level == 1) after.insert(example.prompt);
  }
  EXPECT_EQ(after, before);
}

TEST(ExampleSplit, KeepsTheOrderOfTheFileAndValidatesEachExampleOnce) {
  const std::vector<Example> examples = {ask("b", 0, "1"), ask("a", 0, "1"), ask("b", 0, "2"), ask("a", 0, "1"),
                                         ask("b", 0, "1"), ask("a", 0, "2"), ask("a", 0, "1")};
  const ExampleSplit split = split_examples(examples, 0.5);
  const bool a_validates = split.validation.front().prompt == "a";
  std::vector<std::string> training;
  std::vector<std::string> validation;
  for (const Example& example : split.training) training.push_back(example.answer);
  for (const Example& example : split.validation) validation.push_back(example.answer);
  EXPECT_THAT(validation, ElementsAre("1", "2"));
  if (a_validates) {
    EXPECT_THAT(training, ElementsAre("1", "2", "1"));
  } else {
    EXPECT_THAT(training, ElementsAre("1", "1", "2", "1"));
  }
}

TEST(ExampleSplit, TakesThePromptsLevelFromItsFirstExample) {
  const std::vector<Example> examples = {ask("a", 1), ask("b", 1), ask("a", 2), ask("c", 2), ask("b", 2)};
  const ExampleSplit split = split_examples(examples, 0.5);  // a and b are of level 1; c alone is of level 2
  EXPECT_EQ(prompts_of(split.validation).size(), 1U);
  EXPECT_FALSE(prompts_of(split.validation).contains("c"));
}

}  // namespace
}  // namespace gyre::examples_test
