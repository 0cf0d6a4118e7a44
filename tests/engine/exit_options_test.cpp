#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "engine/exit_walk.hpp"
#include "engine/exits.hpp"

// What holds for every rule: the loops it is asked after, what it compares with, what is read of a token that leaves.

namespace gyre::exit_options_test {
namespace {

/// Loops after which a rule that fires at once lets go, as `min` grows.
TEST(EveryRule, CountsFromTheFirstLoopItIsAskedAfter) {
  const auto left = [](const std::string& options, int min) {
    return Walk("step:tau=9,form=absolute," + options + ",min=" + std::to_string(min)).run(step_norms({1, 1, 1, 1, 1}));
  };
  for (int min = 1; min <= 5; ++min) {
    // After loops 1, 3, 5; after 2, 5; after 4 alone.
    EXPECT_EQ(left("first=1,every=2", min).first, min <= 1 ? 1 : min <= 3 ? 3 : 5) << min;
    EXPECT_EQ(left("first=2,every=3", min).first, min <= 2 ? 2 : 5) << min;
    EXPECT_EQ(left("first=4,every=3", min).first, min <= 4 ? 4 : 6) << min;
  }
}

TEST(EveryRule, ReadsLogitsFromTheFirstLoopOn) {
  const std::vector<std::vector<float>> logits = {{0, 0}, {9, 0}, {0, 9}, {2, 0}, {5, 0}};
  for (const auto& [options, wanted] : std::map<std::string, std::vector<int>>{{"first=2", {2, 3, 4, 5}},
                                                                               {"first=1,every=2", {1, 3, 5}},
                                                                               {"first=1,every=2,min=4", {3, 5}},
                                                                               {"first=1,every=2,min=3", {1, 3, 5}},
                                                                               {"first=3,every=2,min=2", {3, 5}}}) {
    Walk walk("kl:tau=1e-9," + options);
    EXPECT_EQ(walk.run(decoded(logits)), Left(6, "end")) << options;
    std::vector<int> loops;
    for (const auto& [loop, how] : walk.read()) loops.push_back(loop);
    EXPECT_EQ(loops, wanted) << options;
  }
}

TEST(HuginnExits, MayHaveADistributionBeforeTheFirst) {
  // KL(uniform to softmax(3, 0)) = 0.8554 as above; the uniform distribution itself is at 0.
  EXPECT_EQ(Walk("kl:tau=0.86,start=uniform").run(decoded({{3, 0}, {9, 0}})), Left(1, "kl"));
  EXPECT_EQ(Walk("kl:tau=0.85,start=uniform").run(decoded({{3, 0}, {9, 0}})), Left(2, "kl"));
  EXPECT_EQ(Walk("minp-kl:start=uniform").run(decoded({{1, 1}})), Left(1, "minp-kl"));
  EXPECT_EQ(Walk("minp-kl").run(decoded({{1, 1}})), Left(6, "end"));
  // An entropy of ln 2 = 0.6931.
  EXPECT_EQ(Walk("entropy-diff:tau=0.01,start=0.7").run(decoded({{1, 1}})), Left(1, "entropy-diff"));
  EXPECT_EQ(Walk("entropy-diff:tau=0.006,start=0.7").run(decoded({{1, 1}})), Left(6, "end"));
  EXPECT_EQ(Walk("entropy-diff:tau=99.4,start=100").run(decoded({{1, 1}})), Left(1, "entropy-diff"));
}

TEST(LatentRules, OfTokensThatLeaveAsOneTakeTheMean) {
  const ModelSpec spec = Walk::one_group();
  const auto leaves = [&](const std::string& rule, const std::vector<float>& steps) {
    BoundedExit exit(parse_exit(rule), {spec, {1, 6}, {}});
    exit.enter_group(1, 0);
    std::vector<LoopStep> all;
    for (const float norm : steps)
      all.push_back({.group = 1, .loop = 1, .steps = 1, .state_norm = 10, .step_norm = norm});
    return exit.leave_together(all).has_value();
  };
  EXPECT_TRUE(leaves("step:tau=0.21", {1, 3}));
  EXPECT_FALSE(leaves("step:tau=0.19", {1, 3}));
  EXPECT_FALSE(leaves("step:tau=0.21", {1, 3, 3}));
  EXPECT_FALSE(leaves("cosine:tau=2", {1, 3})) << "states of zeros before have no angle";
  EXPECT_TRUE(leaves("fixed:loops=1", {1, 3}));
}

TEST(EveryRule, SaysWhatATokenTakesOut) {
  const ModelSpec spec = Walk::one_group();
  const auto taken = [&](const std::string& rule, std::optional<int> leaves = {}) {
    BoundedExit exit(parse_exit(rule), {spec, {1, 6}, {}});
    exit.enter_group(1, 0);
    int read = 0;
    for (int loop = 1; loop <= 6; ++loop) {
      const std::vector<float> logits = {static_cast<float>(loop == leaves ? loop - 1 : loop), 0};
      LoopStep step{
          .group = 1, .loop = loop, .steps = loop, .state_norm = 1, .step_norm = loop == leaves ? 0.0F : 1.0F};
      if (exit.reads(loop).logits) step.logits = logits;
      const bool left = loop < 6 && exit.leave_after(step) && exit.saves();
      const Reading reading = exit.reading(loop, left || loop == 6);
      if (reading.state == 1) read = loop;
      if (left) break;
    }
    return exit.keeps() ? read : -read;
  };
  EXPECT_EQ(taken("step:tau=0.5"), -6);
  EXPECT_EQ(taken("step:tau=0.5", 3), -3);
  EXPECT_EQ(taken("step:tau=0.5,save=no"), 6);
  EXPECT_EQ(taken("step:tau=0.5,save=no", 3), 3);
  EXPECT_EQ(taken("step:tau=0.5,save=no,max=4", 5), 4);
  EXPECT_EQ(taken("kl:tau=1e-9,every=4,end=check"), 4);
  EXPECT_EQ(taken("kl:tau=1e-9,every=3,end=check"), 6) << "the last loop is where the next check would be";
  EXPECT_EQ(taken("kl:tau=1e-9,first=2,every=3,end=check"), 5);
  EXPECT_EQ(taken("kl:tau=1e-9,first=9,end=check"), 6) << "there was none";
  EXPECT_EQ(taken("kl:tau=1e-9,every=2,max=5,end=check"), 4);
}

}  // namespace
}  // namespace gyre::exit_options_test
