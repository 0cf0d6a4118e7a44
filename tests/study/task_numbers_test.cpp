#include <gtest/gtest.h>

#include "study/tasks/numbers.hpp"

namespace gyre::task_numbers_test {
namespace {

TEST(TaskNumbers, StrictTakesTheNumberBehindTheMark) {
  EXPECT_EQ(strict_number("so\n#### 72"), "72");
  EXPECT_EQ(strict_number("#### -1,234.50 and #### 3"), "-1,234.50");
  EXPECT_EQ(strict_number("#### none #### 3."), "3.");
  EXPECT_EQ(strict_number("##### 5"), "5");
  EXPECT_EQ(strict_number("####5"), "[invalid]");
  EXPECT_EQ(strict_number("#### $5"), "[invalid]");
  EXPECT_EQ(strict_number("#### -"), "[invalid]");
  EXPECT_EQ(strict_number("72"), "[invalid]");
}

// As Python's re.findall("(-?[$0-9.,]{2,})|(-?[0-9]+)") gives them.
TEST(TaskNumbers, FlexibleTakesTheLastNumber) {
  EXPECT_EQ(flexible_number("She has 12 and then 7 left"), "7");
  EXPECT_EQ(flexible_number("It costs $1,200."), "$1,200.");
  EXPECT_EQ(flexible_number("from 5 to -3 degrees."), "-3");
  EXPECT_EQ(flexible_number("-12"), "-12");
  EXPECT_EQ(flexible_number("5."), "5.");
  EXPECT_EQ(flexible_number("5 apples..."), "...");
  EXPECT_EQ(flexible_number("a 4-2"), "-2");
  EXPECT_EQ(flexible_number("--7"), "-7");
  EXPECT_EQ(flexible_number("$ 5"), "5");
  EXPECT_EQ(flexible_number("none. at all, -"), "[invalid]");
  EXPECT_EQ(flexible_number(""), "[invalid]");
}

TEST(TaskNumbers, AnswersAreComparedWithoutCommasDollarsAndTheSolution) {
  EXPECT_TRUE(is_same_answer("72", "half of 48,\nso 72.\n#### 72"));
  EXPECT_TRUE(is_same_answer("$1,200.", "#### 1200"));
  EXPECT_TRUE(is_same_answer("5.", "5"));
  EXPECT_TRUE(is_same_answer("A", "a"));
  EXPECT_FALSE(is_same_answer("5.0", "5"));
  EXPECT_FALSE(is_same_answer("[invalid]", "#### 5"));
  EXPECT_FALSE(is_same_answer("5 ", "5"));
  EXPECT_TRUE(is_same_answer("#### 3 #### 4", "4"));
}

}  // namespace
}  // namespace gyre::task_numbers_test
