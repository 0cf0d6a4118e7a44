#include "study/findings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model_folder.hpp"

namespace gyre {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Measures of two looped groups, as a study would have made them.
class Findings : public ::testing::Test {
 protected:
  Findings() {
    for (const int group : {1, 2}) {
      GroupMeasures measures;
      measures.group = group;
      measures.loops.resize(3);
      for (LoopMeasures& loop : measures.loops) {
        loop.step = {1, 1, 1};
        loop.relative_step = {0.1, 0.1, 0.1};
        loop.cosine = {0.5, 0.5, 0.5};
        loop.lens_flip = {0, 0, 0};
        loop.lens_kl = {0, 0, 0};
      }
      measures.drift_to_loop = {3, 3, 3};
      last_.dynamics.groups.push_back(measures);
    }
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

TEST(VerdictOf, NeedsEvidenceAndAllOfItForAClaim) {
  const Evidence yes{.group = "a", .value = 2, .least = 2, .most = 3, .tokens = 5};
  const Evidence upper{.group = "a", .value = 3, .least = 2, .most = 3, .tokens = 5};
  const Evidence low{.group = "b", .value = 1.999, .least = 2, .most = 3, .tokens = 5};
  const Evidence high{.group = "b", .value = 3.001, .least = 2, .most = 3, .tokens = 5};
  const Evidence undefined{.group = "c", .value = kNan, .least = 2, .tokens = 5};
  const Evidence nobody{.group = "d", .value = 2.5, .least = 2, .tokens = 0};
  EXPECT_EQ(verdict_of({}), Verdict::unclear);
  EXPECT_EQ(verdict_of(std::vector{yes}), Verdict::holds);
  EXPECT_EQ(verdict_of(std::vector{yes, upper}), Verdict::holds);
  EXPECT_EQ(verdict_of(std::vector{yes, low}), Verdict::does_not_hold);
  EXPECT_EQ(verdict_of(std::vector{high, yes}), Verdict::does_not_hold);
  EXPECT_EQ(verdict_of(std::vector{undefined}), Verdict::unclear);
  EXPECT_EQ(verdict_of(std::vector{yes, undefined}), Verdict::unclear);
  EXPECT_EQ(verdict_of(std::vector{yes, nobody}), Verdict::unclear);
  EXPECT_EQ(verdict_of(std::vector{undefined, low}), Verdict::does_not_hold);
  const Evidence beyond{.group = "a", .value = 2, .least = 2, .beyond = true, .tokens = 1};
  EXPECT_EQ(verdict_of(std::vector{beyond}), Verdict::does_not_hold);
}

TEST(VerdictOf, HasANameThatSaysIt) {
  EXPECT_EQ(name_of(Verdict::holds), "holds");
  EXPECT_EQ(name_of(Verdict::does_not_hold), "does not hold");
  EXPECT_EQ(name_of(Verdict::unclear), "unclear");
}

TEST_F(Findings, StepsShrinkWhenTheLastIsHalfOfTheFirst) {
  // Medians 8 and 4 against 10 and 3.
  group(0).loops[0].step = {7, 8, 90};
  group(0).loops[2].step = {0, 4, 5};
  group(1).loops[0].step = {10, 10, 10};
  group(1).loops[2].step = {3, 3, 3};
  Finding found = finding("steps_shrink");
  EXPECT_EQ(found.verdict, Verdict::holds);
  ASSERT_THAT(found.evidence, SizeIs(2));
  EXPECT_EQ(found.evidence[0].group, "loop a");
  EXPECT_EQ(found.evidence[0].value, 0.5);
  EXPECT_EQ(found.evidence[0].most, 0.5);
  EXPECT_EQ(found.evidence[0].tokens, 3);
  EXPECT_EQ(found.evidence[1].value, 0.3);
  EXPECT_THAT(found.here, HasSubstr("loop a: median step 8 at loop 1, 4 at loop 3 (50 %"));
  EXPECT_THAT(found.here, HasSubstr("Over 3 tokens"));
  group(0).loops[2].step = {0, 4.01, 5};
  EXPECT_EQ(finding("steps_shrink").verdict, Verdict::does_not_hold);
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
    for (LoopMeasures& loop : group(g).loops) loop.step = {0, 0, 0};
  }
  EXPECT_EQ(finding("steps_shrink").verdict, Verdict::unclear);
}

TEST_F(Findings, StepsTurnWhenTheLastCosineLiesBetweenItsBounds) {
  const auto verdict = [&](double last) {
    group(1).loops[2].cosine = {last, last, last};
    group(1).loops[1].cosine = {-1, -1, -1};  // only the last loop counts
    return finding("steps_turn").verdict;
  };
  EXPECT_EQ(verdict(0.39), Verdict::does_not_hold);
  EXPECT_EQ(verdict(0.4), Verdict::holds);
  EXPECT_EQ(verdict(0.75), Verdict::holds);
  EXPECT_EQ(verdict(0.76), Verdict::does_not_hold);
  EXPECT_EQ(verdict(kNan), Verdict::unclear);
  group(1).loops[2].cosine = {kNan, 0.5, 0.7};
  const Finding found = finding("steps_turn");
  EXPECT_EQ(found.verdict, Verdict::holds);
  EXPECT_EQ(found.evidence[1].value, 0.6);
  EXPECT_EQ(found.evidence[1].tokens, 2);
  EXPECT_EQ(found.evidence[1].least, 0.4);
  EXPECT_EQ(found.evidence[1].most, 0.75);
}

TEST_F(Findings, DriftDominatesFromTwiceTheMeanStep) {
  group(0).drift_to_loop = {2, 2, 9};
  Finding found = finding("drift_dominates");
  EXPECT_EQ(found.verdict, Verdict::holds);
  EXPECT_EQ(found.evidence[0].value, 2);
  EXPECT_EQ(found.evidence[0].least, 2);
  group(0).drift_to_loop = {1.99, 1.99, 9};
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
  earlier_[0].dynamics.groups[0].drift_to_loop = {2, 2, 2};
  earlier_[0].dynamics.groups[1].drift_to_loop = {2.5, 2.5, 2.5};
  Finding found = finding("scales_separate");
  EXPECT_EQ(found.verdict, Verdict::holds);
  EXPECT_EQ(found.evidence[0].value, 1);
  EXPECT_EQ(found.evidence[1].value, 0.5);
  EXPECT_THAT(found.here, HasSubstr("loop a: ratio 2.00 at step 100, 3.00 at step 200"));
  earlier_[0].dynamics.groups[1].drift_to_loop = {3, 3, 3};
  EXPECT_EQ(finding("scales_separate").verdict, Verdict::does_not_hold);
  earlier_[0].dynamics.groups[1].drift_to_loop = {4, 4, 4};
  EXPECT_EQ(finding("scales_separate").verdict, Verdict::does_not_hold);
}

TEST_F(Findings, ScalesOfOneCheckpointOrOfStepsUnknownAreUnclear) {
  last_.step = 200;
  EXPECT_EQ(finding("scales_separate").verdict, Verdict::unclear);
  earlier_ = {last_};
  earlier_[0].dynamics.groups[0].drift_to_loop = {1, 1, 1};
  earlier_[0].dynamics.groups[1].drift_to_loop = {1, 1, 1};
  EXPECT_EQ(finding("scales_separate").verdict, Verdict::unclear);  // both are of step 200
  earlier_[0].step.reset();
  EXPECT_EQ(finding("scales_separate").verdict, Verdict::unclear);
  earlier_[0].step = 0;
  EXPECT_EQ(finding("scales_separate").verdict, Verdict::holds);
  last_.step.reset();
  EXPECT_EQ(finding("scales_separate").verdict, Verdict::unclear);
}

TEST_F(Findings, TheLensSettlesWhenAtMostOneInTwentyFlips) {
  std::vector<double> flips(20, 0.0);
  flips[7] = 1;
  group(0).loops[2].lens_flip = flips;
  group(0).loops[1].lens_flip = std::vector(20, 1.0);  // only the last loop counts
  Finding found = finding("lens_settles");
  EXPECT_EQ(found.verdict, Verdict::holds);
  EXPECT_EQ(found.evidence[0].value, 0.05);
  EXPECT_EQ(found.evidence[0].most, 0.05);
  EXPECT_EQ(found.evidence[0].tokens, 20);
  group(0).loops[2].lens_flip[8] = 1;
  EXPECT_EQ(finding("lens_settles").verdict, Verdict::does_not_hold);
}

/// A path of one group through points of a plane.
Trajectory path(int group, std::initializer_list<std::pair<double, double>> points) {
  Trajectory trajectory;
  for (const auto& [x, y] : points) {
    trajectory.points.push_back({group, static_cast<int>(trajectory.points.size()), x, y});
  }
  return trajectory;
}

TEST(TurningShare, CountsTurnsToTheCommonerSide) {
  // A square turns left three times.
  EXPECT_EQ(turning_share(path(1, {{0, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 0}}), 1), 1);
  // Left, right, right.
  EXPECT_EQ(turning_share(path(1, {{0, 0}, {1, 0}, {1, 1}, {2, 1}, {2, 0}}), 1), 2.0 / 3);
  // The mirror image is as one-sided.
  EXPECT_EQ(turning_share(path(1, {{0, 0}, {1, 0}, {1, -1}, {0, -1}, {0, 0}}), 1), 1);
}

TEST(TurningShare, OfAStraightPathOrAnotherGroupOrOneTurnIsUnknown) {
  EXPECT_EQ(turning_share(path(1, {{0, 0}, {1, 1}, {2, 2}, {3, 3}}), 1), std::nullopt);
  EXPECT_EQ(turning_share(path(1, {{0, 0}, {0, 0}, {0, 0}, {0, 0}}), 1), std::nullopt);
  EXPECT_EQ(turning_share(path(1, {{0, 0}, {1, 0}, {1, 1}}), 1), std::nullopt);
  EXPECT_EQ(turning_share(path(1, {{0, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 0}}), 2), std::nullopt);
  // Turns across the border of two groups belong to none.
  Trajectory two = path(1, {{0, 0}, {1, 0}, {1, 1}, {0, 1}});
  two.points[3].group = 2;
  EXPECT_EQ(turning_share(two, 1), std::nullopt);
}

TEST_F(Findings, PathsSpiralWhenNineInTenTurnsGoOneWay) {
  EXPECT_EQ(finding("trajectory_spirals").verdict, Verdict::unclear);
  const Trajectory round = path(1, {{0, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 0}});
  const Trajectory straight = path(1, {{0, 0}, {1, 1}, {2, 2}, {3, 3}});
  const Trajectory zigzag = path(1, {{0, 0}, {1, 0}, {1, 1}, {2, 1}, {2, 2}, {3, 2}});  // 2 of 4
  last_.dynamics.trajectories = {straight};
  EXPECT_EQ(finding("trajectory_spirals").verdict, Verdict::unclear);
  last_.dynamics.trajectories = {round, straight, round, round, round, zigzag};
  Finding found = finding("trajectory_spirals");
  EXPECT_EQ(found.verdict, Verdict::holds);
  ASSERT_THAT(found.evidence, SizeIs(1));  // the paths are all of one group
  EXPECT_DOUBLE_EQ(found.evidence[0].value, 0.9);
  EXPECT_EQ(found.evidence[0].tokens, 5);
  last_.dynamics.trajectories.push_back(zigzag);
  EXPECT_EQ(finding("trajectory_spirals").verdict, Verdict::does_not_hold);
}

}  // namespace
}  // namespace gyre
