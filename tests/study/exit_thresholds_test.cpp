#include "study/exits/exit_thresholds.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"

namespace gyre::exit_thresholds_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(ThresholdOption, IsWhatSaysHowReadilyTokensLeave) {
  EXPECT_EQ(threshold_option(parse_exit("accel:hits=2")).key, "tau");
  EXPECT_TRUE(threshold_option(parse_exit("accel")).bolder_when_larger);
  EXPECT_EQ(threshold_option(parse_exit("gate")).key, "threshold");
  EXPECT_FALSE(threshold_option(parse_exit("gate")).bolder_when_larger);
  EXPECT_EQ(threshold_option(parse_exit("argmax-stability")).key, "steps");
  for (const char* const rule : {"top", "margin:decode=lens"}) {  // probabilities from which on tokens leave
    EXPECT_EQ(threshold_option(parse_exit(rule)).key, "tau");
    EXPECT_FALSE(threshold_option(parse_exit(rule)).bolder_when_larger) << rule;
    EXPECT_EQ(threshold_option(parse_exit(rule)).safest, 1) << rule;
  }
  EXPECT_TRUE(threshold_option(parse_exit("ratio")).bolder_when_larger);
  EXPECT_TRUE(threshold_option(parse_exit("entropy")).bolder_when_larger);
}

TEST(ThresholdOption, IsRefusedWhereItIsSetOrMissing) {
  EXPECT_THAT([] { threshold_option(parse_exit("accel:tau=1")); },
              ThrowsMessage<Error>(HasSubstr("accel:tau=1: tau is what is to be found")));
  EXPECT_THAT([] { threshold_option(parse_exit("random:weights=1")); },
              ThrowsMessage<Error>(HasSubstr("no threshold")));
  EXPECT_THAT([] { threshold_option(parse_exit("ratio:side=above")); },
              ThrowsMessage<Error>(HasSubstr("choose side=below")));
  EXPECT_THAT([] { threshold_option(parse_exit("any(accel;top)")); }, ThrowsMessage<Error>(HasSubstr("no threshold")));
}

TEST(RuleAt, AddsTheThreshold) {
  const ExitChoice bare = parse_exit("accel");
  EXPECT_EQ(rule_at(bare, threshold_option(bare), 0.05).text, "accel:tau=0.05");
  const ExitChoice more = parse_exit("step:hits=2,form=absolute");
  const ExitChoice rule = rule_at(more, threshold_option(more), 1.5);
  EXPECT_EQ(rule.text, "step:hits=2,form=absolute,tau=1.5");
  EXPECT_EQ(rule.options.at("tau"), "1.5");
  const ExitChoice steps = parse_exit("argmax-stability");
  EXPECT_EQ(rule_at(steps, threshold_option(steps), 3).text, "argmax-stability:steps=3");
}

TEST(FromSafest, PutsTheSafestFirst) {
  const ExitChoice accel = parse_exit("accel");
  EXPECT_THAT(from_safest({0.4, 0.1, 0.2}, threshold_option(accel), accel), ElementsAre(0.1, 0.2, 0.4));
  const ExitChoice gate = parse_exit("gate");
  EXPECT_THAT(from_safest({0.4, 0.9}, threshold_option(gate), gate), ElementsAre(0.9, 0.4));
}

TEST(FromSafest, RefusesWhatTheRuleDoesNotTake) {
  const auto refuses = [](const char* text, std::vector<double> thresholds, const char* why) {
    const ExitChoice rule = parse_exit(text);
    EXPECT_THAT([&] { from_safest(thresholds, threshold_option(rule), rule); }, ThrowsMessage<Error>(HasSubstr(why)));
  };
  refuses("accel", {0.1, -1}, "tau=-1 is nothing that accel takes; give numbers from 0 to");
  refuses("gate", {1.5}, "threshold=1.5 is nothing that gate takes");
  refuses("argmax-stability", {2.5}, "give whole numbers from 1 to 1000");
  refuses("accel", {0.2, 0.1, 0.2}, "0.2 is there twice");
}

TEST(ThresholdGrid, GoesFromWhereNoneLeavesToWhereAllDo) {
  const auto loops_at = [](double tau) { return tau < 0.1 ? 12.0 : tau >= 3.2 ? 3.0 : 5.0; };
  // Powers of two: none leaves at 1/16 and some at 1/8; all leave at 4 and not at 2.
  EXPECT_THAT(threshold_grid(threshold_option(parse_exit("accel")), 7, 4, loops_at),
              ElementsAre(0.0625, 0.125, 0.25, 0.5, 1, 2, 4));
  const auto small = [](double tau) { return tau < 1e-4 ? 12.0 : tau >= 1e-3 ? 3.0 : 5.0; };
  const std::vector<double> grid = threshold_grid(threshold_option(parse_exit("kl")), 5, 4, small);
  EXPECT_EQ(small(grid.front()), 12);
  EXPECT_EQ(small(grid.back()), 3);
  EXPECT_GT(grid.front(), 4e-5);
  EXPECT_LT(grid.back(), 2.1e-3);
}

TEST(ThresholdGrid, OfSharesAndWholeNumbersIsKnown) {
  EXPECT_THAT(threshold_grid(threshold_option(parse_exit("gate")), 4, 4, {}), ElementsAre(1, 0.75, 0.5, 0.25));
  EXPECT_THAT(threshold_grid(threshold_option(parse_exit("argmax-stability")), 12, 3, {}), ElementsAre(3, 2, 1));
}

TEST(ThresholdGrid, OfADifferenceLiesOnBothSidesOfZero) {
  const ThresholdOption option{"tau", true, false, -1000, 1000};
  const auto loops_at = [](double tau) { return tau < -0.1 ? 12.0 : tau >= 0.6 ? 3.0 : 5.0; };
  // Powers of two: some leave at -1/16 and none at -1/8; all leave at 1 and not at 1/2.
  EXPECT_THAT(threshold_grid(option, 4, 4, loops_at), ElementsAre(-0.125, 0.25, 0.625, 1));
  const auto never = [](double tau) { return tau < 1000 ? 12.0 : 11.0; };
  EXPECT_EQ(threshold_grid(option, 3, 4, never).back(), 1000) << "no further than the rule takes";
}

}  // namespace
}  // namespace gyre::exit_thresholds_test
