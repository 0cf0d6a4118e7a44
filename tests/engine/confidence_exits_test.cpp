#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/exit_walk.hpp"
#include "engine/exits.hpp"

// Rules of one quantity of one loop: the forms of the acceleration, the ratio of steps, how sure a read-out is; and the
// stop on two sides.

namespace gyre::confidence_exits_test {
namespace {

/// Steps of these lengths, with the accelerations that go with them in one direction; states of norm 10.
std::vector<LoopStep> straight(const std::vector<float>& lengths) {
  std::vector<LoopStep> steps = step_norms(lengths);
  for (std::size_t k = 1; k < steps.size(); ++k) steps[k].acceleration = std::abs(lengths[k] - lengths[k - 1]);
  return steps;
}

TEST(AccelerationExit, HasFormsOfStepNormsAlone) {
  // Differences 4, 1, 0.5, 0.5; by the step before 1/2, 1/4, 1/6, 1/5.
  const std::vector<LoopStep> steps = straight({8, 4, 3, 2.5F, 2});
  EXPECT_EQ(Walk("accel:form=scalar,tau=1.01").run(steps), Left(3, "acceleration"));
  EXPECT_EQ(Walk("accel:form=scalar,tau=1").run(steps), Left(4, "acceleration"));
  EXPECT_EQ(Walk("accel:form=scalar,tau=0.51,hits=2").run(steps), Left(5, "acceleration"));
  EXPECT_EQ(Walk("accel:form=ratio,tau=0.51").run(steps), Left(2, "acceleration"));
  EXPECT_EQ(Walk("accel:form=ratio,tau=0.26").run(steps), Left(3, "acceleration"));
  EXPECT_EQ(Walk("accel:form=ratio,tau=0.17").run(steps), Left(4, "acceleration"));
  EXPECT_EQ(Walk("accel:form=ratio,tau=0.16").run(steps), Left(6, "end"));
  // Growing counts as much as shrinking.
  EXPECT_EQ(Walk("accel:form=ratio,tau=0.99").run(straight({1, 2, 4})), Left(6, "end"));
}

/// A turning step of constant length has a vector acceleration and no scalar one.
TEST(AccelerationExit, OfASpiralDependsOnTheForm) {
  std::vector<LoopStep> steps = straight({3, 3, 3, 3, 3});
  for (LoopStep& step : steps) step.acceleration = 3;
  EXPECT_EQ(Walk("accel:form=absolute,tau=1").run(steps), Left(6, "end"));
  EXPECT_EQ(Walk("accel:form=normalised,tau=0.4").run(steps), Left(6, "end"));
  EXPECT_EQ(Walk("accel:form=maximum,tau=0.9").run(steps), Left(6, "end"));
  for (const char* form : {"scalar,tau=0.1", "ratio,tau=0.1", "sign"}) {
    EXPECT_EQ(Walk(std::string("accel:form=") + form).run(steps), Left(2, "acceleration")) << form;
  }
}

TEST(AccelerationExit, MayBeAShareOfTheLargestSoFar) {
  const std::vector<LoopStep> steps = accelerations({9, 2, 8, 4, 2});
  EXPECT_EQ(Walk("accel:form=maximum,tau=0.6").run(steps), Left(4, "acceleration"));
  EXPECT_EQ(Walk("accel:form=maximum,tau=0.5").run(steps), Left(5, "acceleration")) << "the first, 9, is of no step";
  EXPECT_EQ(Walk("accel:form=maximum,tau=0.25").run(steps), Left(6, "end"));
  // Neither does the largest of one token count for the next.
  Walk walk("accel:form=maximum,tau=0.9");
  EXPECT_EQ(walk.run(accelerations({9, 9, 9, 9, 9})), Left(6, "end"));
  EXPECT_EQ(walk.run(accelerations({9, 1, 1, 1, 1})), Left(6, "end"));
  EXPECT_EQ(walk.run(accelerations({0, 0, 0, 0, 0})), Left(2, "acceleration")) << "at rest";
}

TEST(AccelerationExit, MayAskForTheSignAlone) {
  EXPECT_EQ(Walk("accel:form=sign").run(straight({8, 4, 3, 3.1F, 2})), Left(4, "acceleration"));
  EXPECT_EQ(Walk("accel:form=sign").run(straight({8, 4, 3, 2, 1})), Left(6, "end"));
  EXPECT_EQ(Walk("accel:form=sign,hits=2").run(straight({1, 2, 1, 2, 2})), Left(5, "acceleration"));
}

TEST(RatioExit, IsOfTwoStepsThatFollowEachOther) {
  const std::vector<LoopStep> steps = straight({8, 4, 3, 3.3F, 1});
  EXPECT_EQ(Walk("ratio:tau=0.51").run(steps), Left(2, "ratio"));
  EXPECT_EQ(Walk("ratio:tau=0.5").run(steps), Left(5, "ratio")) << "below, not at";
  EXPECT_EQ(Walk("ratio:tau=0.8,hits=2").run(steps), Left(3, "ratio"));
  EXPECT_EQ(Walk("ratio:tau=1,side=above").run(steps), Left(4, "ratio"));
  EXPECT_EQ(Walk("ratio:tau=0.5,side=above").run(steps), Left(2, "ratio")) << "at, too";
  EXPECT_EQ(Walk("ratio:tau=1.2,side=above").run(steps), Left(6, "end"));
}

/// Logits of these probabilities.
std::vector<LoopStep> probable(std::vector<std::vector<float>>& probabilities) {
  for (auto& row : probabilities) {
    for (float& value : row) value = std::log(value) + 3;
  }
  return decoded(probabilities);
}

TEST(ConfidenceExits, HoldOneReadOutAgainstTheThreshold) {
  std::vector<std::vector<float>> rows = {
      {0.3F, 0.4F, 0.3F}, {0.1F, 0.5F, 0.4F}, {0.6F, 0.35F, 0.05F}, {0.1F, 0.8F, 0.1F}};
  const std::vector<LoopStep> steps = probable(rows);
  EXPECT_EQ(Walk("top:tau=0.39").run(steps), Left(1, "top"));
  EXPECT_EQ(Walk("top:tau=0.59").run(steps), Left(3, "top"));
  EXPECT_EQ(Walk("top:tau=0.61").run(steps), Left(4, "top"));
  EXPECT_EQ(Walk("top:tau=0.49,hits=3").run(steps), Left(4, "top"));
  EXPECT_EQ(Walk("top:tau=0.81").run(steps), Left(6, "end"));
  EXPECT_EQ(Walk("margin:tau=0.09").run(steps), Left(1, "margin"));
  EXPECT_EQ(Walk("margin:tau=0.11").run(steps), Left(3, "margin"));
  EXPECT_EQ(Walk("margin:tau=0.26").run(steps), Left(4, "margin"));
  EXPECT_EQ(Walk("margin:tau=0.71").run(steps), Left(6, "end"));
  // Entropies 1.0889, 0.9433, 0.8237, 0.6390.
  EXPECT_EQ(Walk("entropy:tau=1.09").run(steps), Left(1, "entropy"));
  EXPECT_EQ(Walk("entropy:tau=1.08").run(steps), Left(2, "entropy"));
  EXPECT_EQ(Walk("entropy:tau=0.83").run(steps), Left(3, "entropy"));
  EXPECT_EQ(Walk("entropy:tau=0.64,decode=lens").run(steps), Left(4, "entropy"));
  EXPECT_EQ(Walk("entropy:tau=0.63").run(steps), Left(6, "end"));
}

TEST(ConfidenceExits, SeeNoMarginBetweenEquals) {
  EXPECT_EQ(Walk("margin:tau=0.01").run(decoded({{2, 0, 2}})), Left(6, "end"));
  EXPECT_EQ(Walk("margin:tau=0").run(decoded({{2, 0, 2}})), Left(1, "margin"));
  EXPECT_EQ(Walk("margin:tau=1").run(decoded({{2}})), Left(1, "margin")) << "a vocabulary of one";
}

TEST(ConfidenceExits, AreAskedNoEarlierThanTheyCanAnswer) {
  const auto read = [](const std::string& rule) {
    Walk walk(rule);
    EXPECT_EQ(walk.run(decoded({{0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}})), Left(6, "end")) << rule;
    std::vector<int> loops;
    for (const auto& [loop, how] : walk.read()) loops.push_back(loop);
    return loops;
  };
  EXPECT_EQ(read("top:tau=0.9,min=4"), (std::vector<int>{4, 5}));
  EXPECT_EQ(read("margin:tau=0.9,min=4,hits=2"), (std::vector<int>{3, 4, 5}));
  EXPECT_EQ(read("entropy:tau=0.1"), (std::vector<int>{1, 2, 3, 4, 5}));
  EXPECT_EQ(read("two-sided:tau=0.1,measure=entropy,patience=1,factor=1,min=6"), (std::vector<int>{5}));
}

TEST(TwoSidedExit, LeavesSettledOrHopeless) {
  // Relative steps 0.8, 0.4, 0.3, 0.25, 0.24.
  const std::vector<LoopStep> steps = step_norms({8, 4, 3, 2.5F, 2.4F});
  EXPECT_EQ(Walk("two-sided:tau=0.26").run(steps), Left(4, "settled"));
  EXPECT_EQ(Walk("two-sided:tau=0.31,hits=2").run(steps), Left(4, "settled"));
  EXPECT_EQ(Walk("two-sided:tau=0.1").run(steps), Left(6, "end")) << "0.24 is less than 0.9 of 0.8";
  // By one loop: 1/2, 3/4, 5/6, 24/25; by two: 3/8, 5/8, 4/5.
  EXPECT_EQ(Walk("two-sided:tau=0.1,patience=1").run(steps), Left(5, "hopeless"));
  EXPECT_EQ(Walk("two-sided:tau=0.1,patience=1,factor=0.7").run(steps), Left(3, "hopeless"));
  EXPECT_EQ(Walk("two-sided:tau=0.1,patience=2,factor=0.7").run(steps), Left(5, "hopeless"));
  EXPECT_EQ(Walk("two-sided:tau=0.1,patience=2,factor=0.6").run(steps), Left(4, "hopeless"));
  EXPECT_EQ(Walk("two-sided:tau=0.31,patience=2,factor=0.3").run(steps), Left(3, "settled")) << "settled goes first";
}

TEST(TwoSidedExit, MeasuresAccelerationOrEntropyToo) {
  const std::vector<LoopStep> steps = accelerations({9, 4, 4, 1, 1});
  EXPECT_EQ(Walk("two-sided:tau=0.11,measure=accel").run(steps), Left(4, "settled"));
  EXPECT_EQ(Walk("two-sided:tau=0.01,measure=accel,patience=1").run(steps), Left(3, "hopeless"));
  const std::vector<std::vector<float>> logits = {{0, 0}, {9, 0}, {0, 9}, {0, 30}};
  EXPECT_EQ(Walk("two-sided:tau=0.1,measure=entropy").run(decoded(logits)), Left(2, "settled"));
  EXPECT_EQ(Walk("two-sided:tau=1e-9,measure=entropy,patience=1").run(decoded(logits)), Left(3, "hopeless"));
}

TEST(LatentRules, OfTokensThatLeaveAsOneVoteAndAverage) {
  const ModelSpec spec = Walk::one_group();
  const auto leaves = [&](const std::string& rule, const std::vector<float>& steps) {
    BoundedExit exit(parse_exit(rule), {spec, {1, 6}, {}});
    exit.enter_group(1, 0);
    std::vector<LoopStep> all;
    for (const float norm : steps) {
      all.push_back({.group = 1, .loop = 2, .steps = 2, .state_norm = 10, .step_norm = norm, .previous_step_norm = 2});
    }
    return exit.leave_together(all).has_value();
  };
  EXPECT_TRUE(leaves("accel:form=sign", {1, 3, 3}));
  EXPECT_FALSE(leaves("accel:form=sign", {1, 1, 3}));
  EXPECT_TRUE(leaves("ratio:tau=1.01", {1, 3}));
  EXPECT_FALSE(leaves("ratio:tau=1.01", {1, 3, 3}));
  EXPECT_TRUE(leaves("two-sided:tau=0.21", {1, 3}));
  EXPECT_FALSE(leaves("two-sided:tau=0.21", {1, 3, 3}));
}

TEST(GateExit, MayReadTheMeanOfTokensThatLeaveAsOne) {
  ModelSpec spec = Walk::one_group();
  spec.groups[1].exit_gate = true;
  // Gates −2 and 3: σ(3) = 0.953, σ(0.5) = 0.622.
  const std::vector<LoopStep> steps = {{.group = 1, .loop = 1, .gate = -2}, {.group = 1, .loop = 1, .gate = 3}};
  const auto leaves = [&](const std::string& rule) {
    BoundedExit exit(parse_exit(rule), {spec, {1, 6}, {}});
    exit.enter_group(1, 0);
    return exit.leave_together(steps).has_value();
  };
  EXPECT_TRUE(leaves("gate:threshold=0.95"));
  EXPECT_TRUE(leaves("gate:threshold=0.62,over=mean"));
  EXPECT_FALSE(leaves("gate:threshold=0.63,over=mean"));
  EXPECT_FALSE(BoundedExit(parse_exit("gate"), {spec, {1, 6}, {}}).reads(1).gate_of_all);
  EXPECT_TRUE(BoundedExit(parse_exit("gate:over=mean"), {spec, {1, 6}, {}}).reads(1).gate_of_all);
}

}  // namespace
}  // namespace gyre::confidence_exits_test
