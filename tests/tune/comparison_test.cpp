#include "tune/comparison.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.hpp"
#include "base/file.hpp"
#include "scratch_folder.hpp"

namespace gyre::comparison_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

Completions list(const std::string& name, const std::vector<std::string>& texts) {
  Completions list{name, {}};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    list.items.push_back({"prompt " + std::to_string(i), texts[i], static_cast<int>(texts[i].size()), false});
  }
  return list;
}

/// The number of letters "a".
Reward count_of_a() {
  return {"a", 2.0, [](std::span<const RewardItem> items) {
            std::vector<double> counts;
            for (const RewardItem& item : items) {
              counts.push_back(static_cast<double>(std::count(item.completion.begin(), item.completion.end(), 'a')));
            }
            return counts;
          }};
}

TEST(EloRatings, AreThoseOfTheOdds) {
  // 30 wins and 10 losses, half of one added to each: odds of 30.5 to 10.5.
  const std::vector<double> two = elo_ratings({{0, 30}, {10, 0}});
  EXPECT_NEAR(two[0] - two[1], 400 * std::log10(30.5 / 10.5), 1e-6);
  EXPECT_NEAR(two[0] + two[1], 2000, 1e-6);
  EXPECT_THAT(elo_ratings({{0}}), ElementsAre(1000));
  const std::vector<double> even = elo_ratings({{0, 5, 5}, {5, 0, 5}, {5, 5, 0}});
  for (const double rating : even) EXPECT_NEAR(rating, 1000, 1e-6);
}

TEST(CompareCompletions, PairsListsPromptByPrompt) {
  const std::vector<Completions> lists = {list("first", {"a", "b", "aa", "b", "b", "a"}),
                                          list("second", {"aa", "a", "aaa", "a", "a", "aa"})};
  const std::vector<Reward> rewards = {count_of_a()};
  const std::vector<JudgedList> judged = compare_completions(lists, rewards);
  const JudgedMeasure& a = judged[1].measures[0];
  EXPECT_DOUBLE_EQ(a.mean.value, 10.0 / 6);
  // One more on every prompt, whatever the prompt: the difference is known, the means are not.
  EXPECT_DOUBLE_EQ(a.against_first.value, 1.0);
  EXPECT_DOUBLE_EQ(a.against_first.interval.low, 1.0);
  EXPECT_DOUBLE_EQ(a.against_first.interval.high, 1.0);
  EXPECT_LT(a.mean.interval.low, a.mean.value);
  EXPECT_EQ(judged[1].measures[1].name, "total");
  EXPECT_DOUBLE_EQ(judged[1].measures[1].mean.value, 20.0 / 6);
  EXPECT_EQ(judged[1].measures[2].name, "tokens");
  EXPECT_NEAR(judged[1].elo.value - judged[0].elo.value, 400 * std::log10(6.5 / 0.5), 1e-6);
}

TEST(CompareCompletions, RefusesListsOfOtherPrompts) {
  const std::vector<Reward> rewards = {count_of_a()};
  std::vector<Completions> lists = {list("first", {"a", "b"}), list("second", {"a"})};
  EXPECT_THAT([&] { (void)compare_completions(lists, rewards); }, ThrowsMessage<Error>(HasSubstr("second: 1")));
  lists[1] = list("second", {"a", "b"});
  lists[1].items[1].prompt = "another";
  EXPECT_THAT([&] { (void)compare_completions(lists, rewards); }, ThrowsMessage<Error>(HasSubstr("completion 2")));
  EXPECT_THAT([&] { (void)compare_completions({}, rewards); }, ThrowsMessage<Error>(HasSubstr("no completions")));
}

TEST(CompareCompletions, RefusesListsOfOtherReferences) {
  Reward reward = count_of_a();
  reward.column = "answer";
  const std::vector<Reward> rewards = {reward};
  std::vector<Completions> lists = {list("first", {"a", "b"}), list("second", {"a", "b"})};
  for (Completions& one : lists) one.items[1].columns = {{"answer", "x"}, {"other", one.name}};
  EXPECT_EQ(compare_completions(lists, rewards).size(), 2U);
  lists[1].items[1].columns["answer"] = "y";
  EXPECT_THAT([&] { (void)compare_completions(lists, rewards); },
              ThrowsMessage<Error>(HasSubstr("second: completion 2 has another \"answer\" than first")));
}

TEST(CompareCompletions, NamesTheLineThatARewardCannotJudge) {
  const ScratchFolder scratch;
  const std::string line = "{\"prompt\": \"p\", \"completion\": \"c\", \"answer\": ";
  write_text_atomically(scratch / "c.jsonl", line + "\"1\"}\n\n" + line + "\"none\"}\n");
  const std::vector<Completions> lists = {read_completions(scratch / "c.jsonl")};
  const std::vector<Reward> rewards =
      parse_rewards(nlohmann::json::array({{{"kind", "correct"}, {"compare", "number"}}}), "rewards", {});
  EXPECT_THAT([&] { (void)compare_completions(lists, rewards); },
              ThrowsMessage<Error>(HasSubstr("c.jsonl, line 3 has \"none\" in the column \"answer\"")));
}

TEST(ReadCompletions, NamesALineWithoutOne) {
  const ScratchFolder scratch;
  write_text_atomically(scratch / "c.jsonl",
                        "{\"prompt\": \"p\", \"completion\": \"c\", \"answer\": \"x\"}\n{\"prompt\": \"p\"}\n");
  EXPECT_THAT([&] { (void)read_completions(scratch / "c.jsonl"); }, ThrowsMessage<Error>(HasSubstr("line 2")));
  write_text_atomically(scratch / "c.jsonl", "{\"prompt\": \"p\", \"completion\": \"c\", \"answer\": \"x\"}\n");
  EXPECT_EQ(read_completions(scratch / "c.jsonl").items.front().columns.at("answer"), "x");
}

}  // namespace
}  // namespace gyre::comparison_test
