#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "tune/guards.hpp"
#include "tune/reward.hpp"
#include "tune/words.hpp"

namespace gyre::rewards_test {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

/// The reward of one completion under one option object.
double of(const json& options, const std::string& completion, const json& columns = json::object(), int tokens = 0) {
  const std::vector<Reward> rewards = parse_rewards(json::array({options}), "rewards", {});
  const std::vector<RewardItem> items = {{"", completion, tokens, false, columns}};
  return judge(rewards, items).totals.at(0);
}

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST(Rouge, IsWhatThePackageRougeScoreComputes) {
  const json cases = load_json(std::filesystem::path(GYRE_TEST_DIR) / "tune/golden/rouge.json");
  ASSERT_GE(cases.size(), 10U);
  for (const json& one : cases) {
    const std::string text = one["completion"];
    EXPECT_EQ(words_of(text, WordRule::rouge_score), one["words"].get<std::vector<std::string>>()) << text;
    const json columns = {{"reference", one["reference"]}};
    for (const char* measure : {"f1", "precision", "recall"}) {
      EXPECT_NEAR(of({{"kind", "rouge"}, {"measure", measure}}, text, columns), one[measure], 1e-12) << text;
    }
  }
}

// rouge-score ends a word at an accent; Italian has many.
TEST(Rouge, MayKeepAccentsInWords) {
  EXPECT_THAT(words_of("Perché la CITTÀ?", WordRule::rouge_score), ElementsAre("perch", "la", "citt"));
  EXPECT_THAT(words_of("Perché la CITTÀ?", WordRule::unicode), ElementsAre("perché", "la", "città"));
  const json columns = {{"r", "la città"}};
  EXPECT_DOUBLE_EQ(of({{"kind", "rouge"}, {"column", "r"}, {"tokenizer", "unicode"}}, "la citt", columns), 0.5);
  EXPECT_DOUBLE_EQ(of({{"kind", "rouge"}, {"column", "r"}}, "la citt", columns), 1);
}

TEST(Correct, ReadsTheOptionWhereItIsAskedFor) {
  const json after = {{"kind", "correct"}, {"after", "Answer:"}};
  const json b = {{"answer", "B"}};
  EXPECT_EQ(of(after, "It is A. Answer: B", b), 1);
  EXPECT_EQ(of(after, "Answer: (b) since", b), 1);
  EXPECT_EQ(of(after, "Answer: **B**", b), 1);
  EXPECT_EQ(of(after, "Answer: C\nno, Answer: B.", b), 1);  // the last one counts
  EXPECT_EQ(of(after, "Answer: B\nno, Answer: C.", b), 0);
  EXPECT_EQ(of(after, "Answer: Because", b), 0);
  EXPECT_EQ(of(after, "Answer: bèta", b), 0);
  EXPECT_EQ(of(after, "B", b), 0);
  EXPECT_EQ(of(after, "Answer:\nB", b), 0);
  EXPECT_EQ(of({{"kind", "correct"}, {"tag", "answer"}}, "<answer>\n b </answer>", b), 1);
  EXPECT_EQ(of({{"kind", "correct"}, {"pattern", R"(so ([A-E])\b)"}}, "so B!", b), 1);
}

TEST(Correct, ComparesNumbersDigitByDigit) {
  const json number = {{"kind", "correct"}, {"compare", "number"}};
  const auto right = [&](const std::string& said, const std::string& wanted) {
    return of(number, said, {{"answer", wanted}}) == 1;
  };
  EXPECT_TRUE(right("7 + 5 = 12", "12"));
  EXPECT_FALSE(right("12 or 13", "12"));
  EXPECT_TRUE(right("it costs 1,234.50.", "#### 1234.5"));
  EXPECT_TRUE(right("-0", "0"));
  EXPECT_TRUE(right("+007", "7"));
  EXPECT_FALSE(right("-7", "7"));
  EXPECT_TRUE(right(".. 0.10", "00.1"));
  EXPECT_FALSE(right("0.1000000000000000001", "0.1"));  // one number as doubles
  EXPECT_FALSE(right("none", "0"));
  EXPECT_EQ(of({{"kind", "correct"}, {"compare", "text"}, {"tag", "a"}}, "<a> x y\n</a>", {{"answer", "x y"}}), 1);
}

TEST(Correct, RefusesWhatCannotBeCompared) {
  EXPECT_THAT(refusal([] { of({{"kind", "correct"}}, "", {}); }), HasSubstr("rewards[0]: say where the answer stands"));
  EXPECT_THAT(refusal([] { of({{"kind", "correct"}, {"tag", "a"}, {"after", "b"}}, "", {}); }), HasSubstr("keep one"));
  EXPECT_THAT(refusal([] { of({{"kind", "correct"}, {"pattern", "x"}}, "", {}); }), HasSubstr("0 groups"));
  EXPECT_THAT(refusal([] { of({{"kind", "correct"}, {"after", ""}}, "", {}); }), HasSubstr("after is empty"));
  EXPECT_THAT(refusal([] { of({{"kind", "correct"}, {"tag", ""}}, "", {}); }), HasSubstr("tag is empty"));
  EXPECT_THAT(refusal([] { of({{"kind", "correct"}, {"pattern", "("}}, "", {}); }), HasSubstr("does not compile"));
  const json after = {{"kind", "correct"}, {"after", ":"}};
  EXPECT_THAT(refusal([&] { of(after, ": A", json::object()); }), HasSubstr("no text in the column \"answer\""));
  EXPECT_THAT(refusal([&] { of(after, ": A", {{"answer", "Because"}}); }), HasSubstr("no letter of an option"));
}

TEST(Form, CountsThePartsThatStandOnceAndInOrder) {
  const json tags = {{"kind", "form"}, {"tags", {"think", "answer"}}};
  EXPECT_EQ(of(tags, "<think>a\nb</think> <answer>c</answer>"), 1);
  EXPECT_EQ(of(tags, "<answer>c</answer><think>a</think>"), 0.5);  // the answer is not behind the thoughts
  EXPECT_EQ(of(tags, "<think>a</think><answer>c</answer><answer>d</answer>"), 0.5);
  EXPECT_EQ(of(tags, "<think><think>a</think><answer>c</answer>"), 0.5);
  EXPECT_EQ(of(tags, "<think>a<answer>c"), 0);
  EXPECT_EQ(of(tags, "\xFF<think></think>"), 0.5);  // no UTF-8
  const json patterns = {{"kind", "form"}, {"patterns", {R"(^\d+)", "end$"}}};
  EXPECT_EQ(of(patterns, "12 is the end"), 1);
  EXPECT_EQ(of(patterns, "the end"), 0.5);
  EXPECT_THAT(refusal([] { of({{"kind", "form"}}, ""); }), HasSubstr("either \"tags\" or \"patterns\""));
  EXPECT_THAT(refusal([] { of({{"kind", "form"}, {"tags", {""}}}, ""); }), HasSubstr("give texts"));
}

TEST(Length, FallsOffLinearlyOutsideItsRange) {
  const json range = {{"kind", "length"}, {"min", 4}, {"max", 10}, {"width", 4}};
  const auto at = [&](int tokens) { return of(range, "", {}, tokens); };
  EXPECT_EQ(at(4), 1);
  EXPECT_EQ(at(10), 1);
  EXPECT_EQ(at(11), 0.75);
  EXPECT_EQ(at(3), 0.75);
  EXPECT_EQ(at(0), 0);
  EXPECT_EQ(at(99), 0);
  EXPECT_EQ(of({{"kind", "length"}, {"max", 3}, {"width", 2}, {"unit", "characters"}}, "però"), 0.5);
  EXPECT_THAT(refusal([] { of({{"kind", "length"}, {"min", 5}, {"max", 2}}, ""); }), HasSubstr("swap them"));
  EXPECT_THAT(refusal([] { of({{"kind", "length"}}, ""); }), HasSubstr("give \"max\""));
}

TEST(Length, IsComparedWithAReferenceByTheirRatio) {
  const json by_column = {{"kind", "length"}, {"column", "r"}};
  EXPECT_NEAR(of(by_column, "ab", {{"r", "abcdefgh"}}), 0.25, 1e-12);
  EXPECT_NEAR(of(by_column, "abcdefgh", {{"r", "àb"}}), 0.25, 1e-12);
  EXPECT_EQ(of(by_column, "", {{"r", "ab"}}), 0);
  EXPECT_THAT(refusal([] {
                of({{"kind", "length"}, {"column", "r"}, {"max", 3}}, "", {});
              }),
              HasSubstr("max does not"));
}

/// Counts the letters a and b, and the texts it was asked for.
class Semantic : public testing::Test {
 protected:
  std::vector<double> judge_all(const std::vector<RewardItem>& items) { return judge(rewards_, items).totals; }

  int asked_ = 0;
  std::vector<Reward> rewards_ =
      parse_rewards(json::array({json{{"kind", "semantic"}}}), "rewards", {[this](std::span<const std::string> texts) {
                      std::vector<std::vector<float>> vectors;
                      for (const std::string& text : texts) {
                        ++asked_;
                        vectors.push_back({static_cast<float>(std::count(text.begin(), text.end(), 'a')),
                                           static_cast<float>(std::count(text.begin(), text.end(), 'b'))});
                      }
                      return vectors;
                    }});
};

TEST_F(Semantic, IsTheCosineOfCompletionAndReference) {
  const json a = {{"reference", "aaa"}};
  const std::vector<double> rewards =
      judge_all({{"", "a", 1, false, a}, {"", "b", 1, false, a}, {"", " ", 1, false, a}, {"", "ab", 1, false, a}});
  ASSERT_EQ(rewards.size(), 4U);
  EXPECT_NEAR(rewards[0], 1, 1e-12);
  EXPECT_NEAR(rewards[1], 0, 1e-12);
  EXPECT_EQ(rewards[2], 0);  // nothing said
  EXPECT_NEAR(rewards[3], std::sqrt(0.5), 1e-12);
  EXPECT_EQ(asked_, 4);  // three completions and one reference
  judge_all({{"", "b", 1, false, a}});
  EXPECT_EQ(asked_, 5);  // the reference is known
}

TEST_F(Semantic, RefusesEmptyReferences) {
  EXPECT_THAT(refusal([&] { judge_all({{"", "a", 1, false, {{"reference", ""}}}}); }), HasSubstr("item 0"));
  EXPECT_THAT(refusal([&] { judge_all({{"", "a", 1, false, {{"reference", " \n"}}}}); }), HasSubstr("blank"));
  EXPECT_THAT(refusal([] { of({{"kind", "semantic"}}, ""); }), HasSubstr("needs an encoder"));
}

TEST(Rewards, AreSummedByWeightAndToldApart) {
  const json list = {{{"kind", "length"}, {"max", 1}, {"weight", 0.5}},
                     {{"kind", "form"}, {"patterns", {"x"}}, {"weight", -2}}};
  const std::vector<Reward> rewards = parse_rewards(list, "rewards", {});
  const std::vector<RewardItem> items = {{"", "x", 1, false, {}}, {"", "y", 1, false, {}}};
  const RewardTable table = judge(rewards, items);
  EXPECT_THAT(table.names, ElementsAre("length", "form"));
  EXPECT_THAT(table.parts[0], ElementsAre(1, 1));
  EXPECT_THAT(table.parts[1], ElementsAre(1, 0));
  EXPECT_THAT(table.totals, ElementsAre(-1.5, 0.5));
}

TEST(Rewards, ThatAreNoNumbersAreRefusedByNameAndItem) {
  const std::vector<RewardItem> items(3);
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    const std::vector<Reward> rewards = {{"odd", 1, [bad](std::span<const RewardItem>) {
                                            return std::vector<double>{0, 0, bad};
                                          }}};
    EXPECT_THAT(refusal([&] { judge(rewards, items); }), HasSubstr("reward odd: item 2"));
  }
  const std::vector<Reward> few = {{"few", 1, [](std::span<const RewardItem>) { return std::vector<double>{0}; }}};
  EXPECT_THAT(refusal([&] { judge(few, items); }), HasSubstr("1 numbers for 3 items"));
}

TEST(Rewards, OfUnknownKindsAndKeysAreRefused) {
  EXPECT_THAT(refusal([] { of({{"kind", "bleu"}}, ""); }), HasSubstr("no reward \"bleu\"; choose one of rouge"));
  EXPECT_THAT(refusal([] { of({{"kind", "rouge"}, {"colum", "x"}}, ""); }), HasSubstr("unknown key \"colum\""));
  EXPECT_THAT(refusal([] { of({{"weight", 1}}, ""); }), HasSubstr("\"kind\" is missing"));
  EXPECT_THAT(refusal([] { parse_rewards(json::array(), "rewards", {}); }), HasSubstr("rewards: expected a list"));
  const json twice = {{{"kind", "rouge"}}, {{"kind", "rouge"}}};
  EXPECT_THAT(refusal([&] { parse_rewards(twice, "rewards", {}); }), HasSubstr("rewards[1]: there is a reward"));
  json named = twice;
  named[1]["name"] = "other";
  EXPECT_EQ(parse_rewards(named, "rewards", {})[1].name, "other");
}

std::vector<std::string> letters(const std::string& text) {
  std::vector<std::string> words;
  for (const char c : text) words.emplace_back(1, c);
  return words;
}

TEST(Guards, CountWhatIsRepeatedAndCopied) {
  EXPECT_EQ(repeated_share(letters("abcdabcd")), 0.2);  // of five 4-grams one stands there before
  EXPECT_EQ(repeated_share(letters("aaaaa")), 0.5);
  EXPECT_EQ(repeated_share(letters("abc")), 0);
  EXPECT_EQ(copied_share(letters("xabcdy"), letters("zabcd")), 1.0 / 3);
  EXPECT_EQ(longest_common_run(letters("xabcy"), letters("abdabc")), 3U);
  EXPECT_EQ(longest_common_run(letters("aaaa"), letters("aa")), 2U);
  std::string mixed = shuffled_words("one  two\nthree four", 3);
  EXPECT_EQ(mixed, shuffled_words("one  two\nthree four", 3));
  std::vector<std::string> words = words_of(mixed, WordRule::unicode);
  EXPECT_THAT(words, testing::UnorderedElementsAre("one", "two", "three", "four"));
}

TEST(Guards, CompareLengthsWithTheFirstBatches) {
  Guards guards(2);
  const auto look = [&](int tokens) {
    const std::vector<RewardItem> items = {{"p", "a b c d e", tokens, true, {{"r", "x"}}},
                                           {"q", "p", tokens, false, {{"r", "x"}}}};
    return guards.look(items, std::vector<double>{1, 2}, "r");
  };
  EXPECT_EQ(look(10).drift, 1);
  look(30);
  const GuardReport report = look(40);
  EXPECT_EQ(report.drift, 2);
  EXPECT_EQ(report.truncated, 0.5);
  EXPECT_EQ(report.reward, 1.5);
  EXPECT_EQ(report.shared_references, 1U);
  EXPECT_FALSE(report.of_empty);
}

TEST(Guards, AskWhatEmptyAndShuffledCompletionsWouldGet) {
  const json list = {{{"kind", "rouge"}}, {{"kind", "length"}, {"max", 9}}};
  const std::vector<Reward> rewards = parse_rewards(list, "rewards", {});
  const std::vector<RewardItem> items = {{"", "a", 1, false, {{"reference", "a"}}}};
  GuardReport report;
  Guards::probe(report, rewards, items, 1);
  EXPECT_EQ(*report.of_empty, 1);     // the length alone
  EXPECT_EQ(*report.of_shuffled, 2);  // one word stays where it is
  EXPECT_EQ(to_json(report).at("reward_of_empty"), 1);
}

}  // namespace
}  // namespace gyre::rewards_test
