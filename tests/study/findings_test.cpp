#include "study/findings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model_folder.hpp"

namespace gyre::findings_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// One number a window, of as many as it takes to conclude something.
std::vector<double> all(double value) { return std::vector<double>(kFewestWindows, value); }

/// Measures of two looped groups, as a study would have made them: one token a window.
class Findings : public ::testing::Test {
 protected:
  Findings() {
    for (const int group : {1, 2}) {
      GroupMeasures measures;
      measures.group = group;
      measures.loops.resize(3);
      for (LoopMeasures& loop : measures.loops) {
        loop.step = all(1);
        loop.relative_step = all(0.1);
        loop.cosine = all(0.5);
        loop.lens_flip = all(0);
        loop.lens_kl = all(0);
      }
      measures.drift_to_loop = all(3);
      last_.dynamics.groups.push_back(measures);
    }
    for (std::size_t w = 0; w < kFewestWindows; ++w) last_.dynamics.windows.push_back(w);
  }

  GroupMeasures& group(std::size_t i) { return last_.dynamics.groups[i]; }

  [[nodiscard]] Finding finding(const std::string& id) const {
    std::vector<StudiedCheckpoint> checkpoints = earlier_;
    checkpoints.push_back(last_);
    for (const Finding& finding : findings_of(small_spec(), checkpoints)) {
      if (finding.id == id) return finding;
    }
    throw std::out_of_range(id);
  }

  StudiedCheckpoint last_;
  std::vector<StudiedCheckpoint> earlier_;
};

Evidence evidence(double low, double high) {
  return {.group = "a",
          .value = (low + high) / 2,
          .interval = {low, high},
          .least = 2,
          .most = 3,
          .tokens = 50,
          .windows = kFewestWindows};
}

TEST(EvidenceVerdict, IsThatOfTheWholeInterval) {
  EXPECT_EQ(evidence(2.1, 2.9).verdict(), Verdict::holds);
  EXPECT_EQ(evidence(2, 3).verdict(), Verdict::holds);
  EXPECT_EQ(evidence(1.9, 2.9).verdict(), Verdict::unclear);
  EXPECT_EQ(evidence(2.1, 3.1).verdict(), Verdict::unclear);
  EXPECT_EQ(evidence(1.9, 3.1).verdict(), Verdict::unclear);
  EXPECT_EQ(evidence(1.5, 1.9).verdict(), Verdict::does_not_hold);
  EXPECT_EQ(evidence(3.1, 3.2).verdict(), Verdict::does_not_hold);
  EXPECT_EQ(evidence(1.5, 2).verdict(), Verdict::unclear);
  Evidence beyond = evidence(2, 2.5);
  beyond.beyond = true;
  EXPECT_EQ(beyond.verdict(), Verdict::unclear);
  beyond.interval = {2, 2};
  EXPECT_EQ(beyond.verdict(), Verdict::does_not_hold);
  beyond.interval = {2.001, 2.5};
  EXPECT_EQ(beyond.verdict(), Verdict::holds);
}

TEST(EvidenceVerdict, IsUnclearWithoutAnIntervalOrWithFewWindows) {
  EXPECT_EQ(evidence(kNan, kNan).verdict(), Verdict::unclear);
  EXPECT_EQ((Evidence{.group = "a", .value = 1, .windows = 100}).verdict(), Verdict::unclear);
  Evidence few = evidence(2.1, 2.9);
  few.windows = kFewestWindows - 1;
  EXPECT_EQ(few.verdict(), Verdict::unclear);
  Evidence vain = evidence(1, 1);
  vain.decidable = false;
  EXPECT_EQ(vain.verdict(), Verdict::unclear);
}

TEST(VerdictOf, NeedsEvidenceAndAllOfItForAClaim) {
  const Evidence yes = evidence(2.1, 2.9);
  const Evidence no = evidence(1, 1.5);
  const Evidence perhaps = evidence(1, 2.5);
  EXPECT_EQ(verdict_of({}), Verdict::unclear);
  EXPECT_EQ(verdict_of(std::vector{yes, yes}), Verdict::holds);
  EXPECT_EQ(verdict_of(std::vector{yes, no}), Verdict::does_not_hold);
  EXPECT_EQ(verdict_of(std::vector{yes, perhaps}), Verdict::unclear);
  EXPECT_EQ(verdict_of(std::vector{perhaps, no}), Verdict::does_not_hold);
}

TEST(VerdictOf, HasANameThatSaysIt) {
  EXPECT_EQ(name_of(Verdict::holds), "holds");
  EXPECT_EQ(name_of(Verdict::does_not_hold), "does not hold");
  EXPECT_EQ(name_of(Verdict::unclear), "unclear");
}

TEST_F(Findings, StepsShrinkWhenTheLastIsHalfOfTheFirst) {
  // Medians 8 and 4 in every window against 10 and 3.
  group(0).loops[0].step = all(8);
  group(0).loops[2].step = all(4);
  group(1).loops[0].step = all(10);
  group(1).loops[2].step = all(3);
  Finding found = finding("steps_shrink");
  EXPECT_EQ(found.verdict, Verdict::holds);
  ASSERT_THAT(found.evidence, SizeIs(2));
  EXPECT_EQ(found.evidence[0].group, "loop a");
  EXPECT_EQ(found.evidence[0].value, 0.5);
  EXPECT_EQ(found.evidence[0].interval.low, 0.5);
  EXPECT_EQ(found.evidence[0].interval.high, 0.5);
  EXPECT_EQ(found.evidence[0].most, 0.5);
  EXPECT_EQ(found.evidence[0].tokens, 6);
  EXPECT_EQ(found.evidence[0].windows, 6U);
  EXPECT_EQ(found.evidence[1].value, 0.3);
  EXPECT_THAT(found.here, HasSubstr("loop a: median step 8 at loop 1, 4 at loop 3 (50 %, 95 %: 50 to 50"));
  EXPECT_THAT(found.here, HasSubstr("Over 6 tokens in 6 windows."));
  group(0).loops[2].step = all(4.01);
  EXPECT_EQ(finding("steps_shrink").verdict, Verdict::does_not_hold);
  // A median of 3 that stands on three windows against three of 5 is not sure to be below 4.
  group(0).loops[2].step = {3, 5, 3, 5, 3, 5};
  found = finding("steps_shrink");
  EXPECT_EQ(found.evidence[0].value, 0.5);
  EXPECT_EQ(found.evidence[0].interval.low, 0.375);
  EXPECT_EQ(found.evidence[0].interval.high, 0.625);
  EXPECT_EQ(found.verdict, Verdict::unclear);
}

TEST_F(Findings, ARatioIsOfBothStepsOfTheSameWindows) {
  // Every window halves its steps, however long they are: nothing varies between resamples.
  group(0).loops[0].step = {2, 4, 8, 16, 32, 64};
  group(0).loops[2].step = {1, 2, 4, 8, 16, 32};
  const Finding found = finding("steps_shrink");
  EXPECT_EQ(found.evidence[0].interval.low, 0.5);
  EXPECT_EQ(found.evidence[0].interval.high, 0.5);
}

TEST_F(Findings, WindowsAreResampledAndNotTheirTokens) {
  group(0).loops[2].cosine = {0.3, 0.5, 0.7, 0.5, 0.6, 0.4};
  const Interval one_each = finding("steps_turn").evidence[0].interval;
  EXPECT_LT(one_each.low, one_each.high);
  // A hundred tokens a window that say the same add no evidence.
  std::vector<double> many;
  std::vector<std::size_t> windows;
  for (std::size_t w = 0; w < kFewestWindows; ++w) {
    many.insert(many.end(), 100, group(0).loops[2].cosine[w]);
    windows.insert(windows.end(), 100, w);
  }
  group(0).loops[2].cosine = many;
  last_.dynamics.windows = windows;
  const Evidence found = finding("steps_turn").evidence[0];
  EXPECT_EQ(found.interval.low, one_each.low);
  EXPECT_EQ(found.interval.high, one_each.high);
  EXPECT_EQ(found.tokens, 600);
  EXPECT_EQ(found.windows, 6U);
}

TEST_F(Findings, FiveWindowsConcludeNothing) {
  last_.dynamics.windows = {0, 1, 2, 3, 4, 4};
  const Finding found = finding("drift_dominates");
  EXPECT_EQ(found.verdict, Verdict::unclear);
  EXPECT_EQ(found.evidence[0].value, 3);
  EXPECT_EQ(found.evidence[0].windows, 5U);
  EXPECT_THAT(found.here, HasSubstr("Over 6 tokens in 5 windows, too few to conclude anything: it takes 6 windows."));
  last_.dynamics.windows = {0, 0, 0, 0, 0, 0};
  EXPECT_THAT(finding("drift_dominates").here, HasSubstr("median ratio 3.00 (no interval)"));
}

TEST_F(Findings, StepsOfOneLoopSayNothingAboutShrinking) {
  for (std::size_t g : {0U, 1U}) group(g).loops.resize(1);
  EXPECT_EQ(finding("steps_shrink").verdict, Verdict::unclear);
  EXPECT_THAT(finding("steps_shrink").here, HasSubstr("No evidence"));
  EXPECT_EQ(finding("steps_turn").verdict, Verdict::unclear);
  EXPECT_EQ(finding("lens_settles").verdict, Verdict::unclear);
}

TEST_F(Findings, StepsThatNeverWereShrinkNowhere) {
  for (std::size_t g : {0U, 1U}) {
    for (LoopMeasures& loop : group(g).loops) loop.step = all(0);
  }
  EXPECT_EQ(finding("steps_shrink").verdict, Verdict::unclear);
}

TEST_F(Findings, StepsTurnWhenTheLastCosineLiesBetweenItsBounds) {
  const auto verdict = [&](double last) {
    group(1).loops[2].cosine = all(last);
    group(1).loops[1].cosine = all(-1);  // only the last loop counts
    return finding("steps_turn").verdict;
  };
  EXPECT_EQ(verdict(0.39), Verdict::does_not_hold);
  EXPECT_EQ(verdict(0.4), Verdict::holds);
  EXPECT_EQ(verdict(0.75), Verdict::holds);
  EXPECT_EQ(verdict(0.76), Verdict::does_not_hold);
  EXPECT_EQ(verdict(kNan), Verdict::unclear);
  group(1).loops[2].cosine = {kNan, 0.5, 0.7, 0.6, 0.6, 0.6};
  const Finding found = finding("steps_turn");
  EXPECT_EQ(found.verdict, Verdict::unclear);  // of five windows
  EXPECT_EQ(found.evidence[1].value, 0.6);
  EXPECT_EQ(found.evidence[1].tokens, 5);
  EXPECT_EQ(found.evidence[1].windows, 5U);
  EXPECT_EQ(found.evidence[1].least, 0.4);
  EXPECT_EQ(found.evidence[1].most, 0.75);
}

TEST_F(Findings, DriftDominatesFromTwiceTheMeanStep) {
  group(0).drift_to_loop = all(2);
  Finding found = finding("drift_dominates");
  EXPECT_EQ(found.verdict, Verdict::holds);
  EXPECT_EQ(found.evidence[0].value, 2);
  EXPECT_EQ(found.evidence[0].least, 2);
  group(0).drift_to_loop = all(1.99);
  EXPECT_EQ(finding("drift_dominates").verdict, Verdict::does_not_hold);
}

TEST_F(Findings, DriftOutOfTheLastGroupIsNoEvidence) {
  group(1).drift_to_loop.clear();
  Finding found = finding("drift_dominates");
  EXPECT_EQ(found.verdict, Verdict::holds);
  EXPECT_THAT(found.evidence, SizeIs(1));
  group(0).drift_to_loop.clear();
  found = finding("drift_dominates");
  EXPECT_EQ(found.verdict, Verdict::unclear);
  EXPECT_THAT(found.evidence, IsEmpty());
}

TEST_F(Findings, ScalesSeparateWhenTheRatioGrewEverywhere) {
  last_.step = 200;
  earlier_ = {last_};
  earlier_[0].step = 100;
  earlier_[0].dynamics.groups[0].drift_to_loop = all(2);
  earlier_[0].dynamics.groups[1].drift_to_loop = all(2.5);
  Finding found = finding("scales_separate");
  EXPECT_EQ(found.verdict, Verdict::holds);
  EXPECT_EQ(found.evidence[0].value, 1);
  EXPECT_EQ(found.evidence[1].value, 0.5);
  EXPECT_THAT(found.here, HasSubstr("loop a: ratio 2.00 at step 100, 3.00 at step 200"));
  // A paired difference: both checkpoints vary from window to window, the growth does not.
  last_.dynamics.groups[1].drift_to_loop = {3, 4, 5, 6, 7, 8};
  earlier_[0].dynamics.groups[1].drift_to_loop = {2, 3, 4, 5, 6, 7};
  EXPECT_EQ(finding("scales_separate").evidence[1].interval.low, 1);
  EXPECT_EQ(finding("scales_separate").evidence[1].interval.high, 1);
  last_.dynamics.groups[1].drift_to_loop = all(3);
  earlier_[0].dynamics.groups[1].drift_to_loop = all(3);
  EXPECT_EQ(finding("scales_separate").verdict, Verdict::does_not_hold);
  earlier_[0].dynamics.groups[1].drift_to_loop = all(4);
  EXPECT_EQ(finding("scales_separate").verdict, Verdict::does_not_hold);
}

TEST_F(Findings, ScalesOfOneCheckpointOrOfStepsUnknownAreUnclear) {
  last_.step = 200;
  EXPECT_EQ(finding("scales_separate").verdict, Verdict::unclear);
  earlier_ = {last_};
  earlier_[0].dynamics.groups[0].drift_to_loop = all(1);
  earlier_[0].dynamics.groups[1].drift_to_loop = all(1);
  EXPECT_EQ(finding("scales_separate").verdict, Verdict::unclear);  // both are of step 200
  earlier_[0].step.reset();
  EXPECT_EQ(finding("scales_separate").verdict, Verdict::unclear);
  earlier_[0].step = 0;
  EXPECT_EQ(finding("scales_separate").verdict, Verdict::holds);
  earlier_[0].dynamics.windows.back() = 4;
  EXPECT_EQ(finding("scales_separate").verdict, Verdict::unclear);
  EXPECT_THAT(finding("scales_separate").here, HasSubstr("the same windows"));
  last_.step.reset();
  EXPECT_EQ(finding("scales_separate").verdict, Verdict::unclear);
}

TEST_F(Findings, TheLensSettlesWhenAtMostOneInTwentyFlips) {
  // One flip among the twenty tokens of every window.
  last_.dynamics.windows.clear();
  std::vector<double> flips;
  for (std::size_t w = 0; w < kFewestWindows; ++w) {
    last_.dynamics.windows.insert(last_.dynamics.windows.end(), 20, w);
    flips.resize(flips.size() + 20, 0);
    flips[20 * w + 7] = 1;
  }
  for (const std::size_t g : {0U, 1U}) {
    group(g).loops[1].lens_flip = std::vector<double>(flips.size(), 1);  // only the last loop counts
    group(g).loops[2].lens_flip = flips;
  }
  Finding found = finding("lens_settles");
  EXPECT_EQ(found.verdict, Verdict::holds);
  EXPECT_DOUBLE_EQ(found.evidence[0].value, 0.05);
  EXPECT_EQ(found.evidence[0].most, 0.05);
  EXPECT_EQ(found.evidence[0].tokens, 120);
  // Seven flips in six windows are more, but not surely.
  group(0).loops[2].lens_flip[8] = 1;
  EXPECT_EQ(finding("lens_settles").verdict, Verdict::unclear);
  for (std::size_t w = 0; w < kFewestWindows; ++w) group(0).loops[2].lens_flip[20 * w + 8] = 1;
  EXPECT_EQ(finding("lens_settles").verdict, Verdict::does_not_hold);
}

/// Turns of one token a window.
TurnMeasures turns(double share, double random_share) {
  return {all(share), all(random_share), all(random_share), all(1.25)};
}

TEST_F(Findings, PathsSpiralWhenMoreOfTheirTurnsGoOneWayThanOfRandomPaths) {
  EXPECT_EQ(finding("trajectory_spirals").verdict, Verdict::unclear);
  EXPECT_THAT(finding("trajectory_spirals").evidence, IsEmpty());
  group(0).turns = turns(0.875, 0.75);
  Finding found = finding("trajectory_spirals");
  EXPECT_EQ(found.verdict, Verdict::holds);
  ASSERT_THAT(found.evidence, SizeIs(1));  // the other group's paths have no two places to turn
  EXPECT_EQ(found.evidence[0].value, 0.125);
  EXPECT_EQ(found.evidence[0].least, 0.05);
  EXPECT_EQ(found.evidence[0].windows, 6U);
  EXPECT_THAT(found.evidence[0].beside, ElementsAre(Pair("share", 0.875), Pair("null", 0.75),
                                                    Pair("null_as_smooth", 0.75), Pair("winding", 1.25)));
  EXPECT_THAT(found.here, HasSubstr("loop a: 88 % of turns go one way"));
  group(1).turns = turns(0.75, 0.75);
  EXPECT_EQ(finding("trajectory_spirals").verdict, Verdict::does_not_hold);
  group(1).turns = turns(0.79, 0.75);
  EXPECT_EQ(finding("trajectory_spirals").verdict, Verdict::does_not_hold);
  group(1).turns.share = {0.75, 1, 0.75, 0.75, 1, 0.75};
  EXPECT_EQ(finding("trajectory_spirals").verdict, Verdict::unclear);
  group(1).turns = turns(kNan, kNan);
  EXPECT_EQ(finding("trajectory_spirals").verdict, Verdict::holds);
}

TEST_F(Findings, AnArcIsNoSpiral) {
  group(0).loops.resize(6);
  group(0).turns = turns(0.875, 0.75);
  const Finding found = finding("trajectory_spirals");
  EXPECT_EQ(found.verdict, Verdict::holds);
  ASSERT_THAT(found.evidence, SizeIs(2));
  EXPECT_EQ(found.evidence[0].quantity, "turns");
  EXPECT_EQ(found.evidence[1].quantity, "winding");
  EXPECT_EQ(found.evidence[1].value, 1.25);
  EXPECT_EQ(found.evidence[1].least, 1);
  group(0).turns.winding = all(0.05);
  EXPECT_EQ(finding("trajectory_spirals").verdict, Verdict::does_not_hold);
  group(0).loops.resize(5);  // too few to go round
  EXPECT_EQ(finding("trajectory_spirals").verdict, Verdict::holds);
}

TEST_F(Findings, WhereRandomPathsTurnOneWayTooNoSpiralCanBeTold) {
  group(0).turns = turns(1, 0.96);
  Finding found = finding("trajectory_spirals");
  EXPECT_EQ(found.verdict, Verdict::unclear);
  EXPECT_FALSE(found.evidence[0].decidable);
  EXPECT_THAT(found.here, HasSubstr("not even a perfect spiral"));
  group(0).turns = turns(0.8, 0.96);  // but paths that turn less than random ones are none
  EXPECT_EQ(finding("trajectory_spirals").verdict, Verdict::does_not_hold);
}

}  // namespace
}  // namespace gyre::findings_test
