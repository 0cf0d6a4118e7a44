#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

#include "scratch_folder.hpp"
#include "text/examples.hpp"

namespace gyre::arithmetic_task_test {
namespace {

/// Examples that scripts/make_arithmetic_task writes.
class ArithmeticTask : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("python3 -c '' >/dev/null 2>&1") != 0) GTEST_SKIP() << "no python3";
  }

  /// Exit status of the script with these flags; its output goes to a file.
  [[nodiscard]] int run(const std::string& flags) const {
    return std::system(("python3 " GYRE_TEST_DIR "/../scripts/make_arithmetic_task " + flags + " >" + file() + " 2>" +
                        (scratch_ / "errors").string())
                           .c_str());
  }
  [[nodiscard]] std::vector<Example> made(const std::string& flags) const {
    EXPECT_EQ(run(flags), 0) << flags;
    return read_examples(file());
  }
  [[nodiscard]] std::string file() const { return (scratch_ / "examples.jsonl").string(); }

  static std::map<int, std::set<std::string>> prompts_of(const std::vector<Example>& examples) {
    std::map<int, std::set<std::string>> prompts;
    for (const Example& example : examples) prompts[example.level].insert(example.prompt);
    return prompts;
  }

  ScratchFolder scratch_;
};

// The value so far after each operand, from left to right.
TEST_F(ArithmeticTask, WritesTheRightAnswersAndLabels) {
  for (const int modulus : {5, 7}) {
    for (const Example& example : made("--part train --count 300 --modulus " + std::to_string(modulus))) {
      int value = example.prompt[0] - '0';
      std::string labels = " ";
      int level = 0;
      for (std::size_t i = 1; i + 1 < example.prompt.size(); i += 2, ++level) {
        const int operand = example.prompt[i + 1] - '0';
        const char sign = example.prompt[i];
        ASSERT_TRUE(sign != '*' || operand != 0) << example.prompt;
        value = sign == '+' ? value + operand : sign == '-' ? value - operand + modulus : value * operand;
        value %= modulus;
        labels += " " + std::to_string(value);
      }
      EXPECT_EQ(example.answer, std::to_string(value)) << example.prompt;
      EXPECT_EQ(example.labels, labels + " ") << example.prompt;
      EXPECT_EQ(example.level, level) << example.prompt;
      EXPECT_EQ(example.prompt.back(), '=');
    }
  }
}

// Of one operation there are 5 · 14 = 70 prompts: 7 test. Of two there are 980: 98 test. All are drawn in time.
TEST_F(ArithmeticTask, HasEveryPromptInOnePartWhateverTheSeed) {
  const auto training = prompts_of(made("--part train --count 20000 --levels 1-3 --seed 1"));
  const auto test = prompts_of(made("--part test --count 4000 --levels 1-3 --seed 1"));
  EXPECT_EQ(training.at(1).size(), 63U);
  EXPECT_EQ(test.at(1).size(), 7U);
  EXPECT_EQ(training.at(2).size(), 882U);
  EXPECT_EQ(test.at(2).size(), 98U);
  for (const auto& [level, prompts] : test) {
    for (const std::string& prompt : prompts) EXPECT_FALSE(training.at(level).contains(prompt)) << prompt;
  }
  EXPECT_EQ(prompts_of(made("--part test --count 4000 --levels 1-2 --seed 9")).at(1), test.at(1));
}

TEST_F(ArithmeticTask, DividesLongPromptsByTheirHash) {
  std::set<std::string> training;
  for (const Example& e : made("--part train --count 9000 --levels 4")) training.insert(e.prompt);
  std::size_t test = 0;
  for (const Example& e : made("--part test --count 9000 --levels 4 --seed 2")) {
    EXPECT_FALSE(training.contains(e.prompt)) << e.prompt;
    ++test;
  }
  EXPECT_EQ(test, 9000U);
}

TEST_F(ArithmeticTask, HoldsOutAPromptOfTheSmallestTaskToo) {
  const auto test = prompts_of(made("--part test --count 50 --levels 1 --modulus 2"));
  EXPECT_EQ(test.at(1).size(), 1U);  // of ten
  EXPECT_EQ(prompts_of(made("--part train --count 500 --levels 1 --modulus 2")).at(1).size(), 9U);
}

TEST_F(ArithmeticTask, AsksForThePart) {
  EXPECT_NE(run("--count 10"), 0);
  EXPECT_NE(run("--part all --count 10"), 0);
  EXPECT_NE(run("--part train --levels 0-3"), 0);
  EXPECT_NE(run("--part train --levels x"), 0);
  EXPECT_NE(run("--part train --count 0"), 0);
}

}  // namespace
}  // namespace gyre::arithmetic_task_test
