#include "engine/exits.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "base/error.hpp"
#include "base/file.hpp"
#include "engine/exit_walk.hpp"
#include "model_folder.hpp"

namespace gyre::exits_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(AccelerationExit, IsDefinedFromTheSecondLoop) {
  EXPECT_EQ(Walk("accel:tau=1,form=absolute").run(accelerations({0, 0, 0, 0, 0})), Left(2, "acceleration"));
  // With two hits the earliest exit is after loop 3.
  EXPECT_EQ(Walk("accel:tau=1,form=absolute,hits=2").run(accelerations({0, 0, 0, 0, 0})), Left(3, "acceleration"));
}

TEST(AccelerationExit, TwoHitsMustFollowEachOther) {
  EXPECT_EQ(Walk("accel:tau=1,form=absolute,hits=2").run(accelerations({9, 0.5F, 2, 0.5F, 0.5F})),
            Left(5, "acceleration"));
  EXPECT_EQ(Walk("accel:tau=1,form=absolute,hits=2").run(accelerations({9, 0.5F, 2, 0.5F, 2})), Left(6, "end"));
  EXPECT_EQ(Walk("accel:tau=1,form=absolute,hits=1").run(accelerations({9, 2, 0.5F, 2, 2})), Left(3, "acceleration"));
}

TEST(AccelerationExit, HitsOfOneTokenDoNotCountForTheNext) {
  Walk walk("accel:tau=1,form=absolute,hits=2");
  EXPECT_EQ(walk.run(accelerations({9, 9, 9, 9, 0})), Left(6, "end"));
  EXPECT_EQ(walk.run(accelerations({9, 0, 9, 9, 9})), Left(6, "end"));
}

TEST(AccelerationExit, TheFormSaysWhatTheThresholdIsHeldAgainst) {
  // Acceleration 3 is 0.3 of the state's norm and 0.75 of the two steps' norms.
  const std::vector<LoopStep> steps = accelerations({9, 9, 3, 9, 9});
  EXPECT_EQ(Walk("accel:tau=3.1,form=absolute").run(steps), Left(3, "acceleration"));
  EXPECT_EQ(Walk("accel:tau=3,form=absolute").run(steps), Left(6, "end"));  // below, not at
  EXPECT_EQ(Walk("accel:tau=0.31,form=relative").run(steps), Left(3, "acceleration"));
  EXPECT_EQ(Walk("accel:tau=0.31").run(steps), Left(3, "acceleration"));  // relative is the default
  EXPECT_EQ(Walk("accel:tau=0.29").run(steps), Left(6, "end"));
  EXPECT_EQ(Walk("accel:tau=0.76,form=normalised").run(steps), Left(3, "acceleration"));
  EXPECT_EQ(Walk("accel:tau=0.74,form=normalised").run(steps), Left(6, "end"));
}

TEST(AccelerationExit, AStateAtRestLeavesRatherThanDividingByZero) {
  std::vector<LoopStep> still(5);
  EXPECT_EQ(Walk("accel:tau=0.1,form=relative").run(still), Left(2, "acceleration"));
  EXPECT_EQ(Walk("accel:tau=0.1,form=normalised").run(still), Left(2, "acceleration"));
}

TEST(StepExit, LeavesWhenTheStepIsShort) {
  EXPECT_EQ(Walk("step:tau=1,form=absolute").run(step_norms({4, 2, 0.9F, 2, 2})), Left(3, "step"));
  EXPECT_EQ(Walk("step:tau=0.1").run(step_norms({4, 2, 0.9F, 2, 2})), Left(3, "step"));
  EXPECT_EQ(Walk("step:tau=0.25,form=normalised").run(step_norms({4, 2, 0.9F, 2, 2})), Left(3, "step"));
  EXPECT_EQ(Walk("step:tau=0.2,form=normalised").run(step_norms({4, 2, 0.9F, 2, 2})), Left(6, "end"));
  EXPECT_EQ(Walk("step:tau=1,form=absolute,hits=2").run(step_norms({0.5F, 2, 0.9F, 0.9F, 2})), Left(4, "step"));
}

TEST(KlExit, ComparesTheDistributionsAfterTwoLoops) {
  const std::vector<std::vector<float>> logits = {{0, 0}, {3, 0}, {3.001F, 0}, {5, 0}, {9, 0}};
  const std::vector<LoopStep> steps = decoded(logits);
  using Read = std::vector<std::pair<int, LoopStep::Readout>>;
  Walk coda("kl:tau=0.01");
  EXPECT_EQ(coda.run(steps), Left(3, "kl"));
  constexpr auto kCoda = LoopStep::Readout::coda;
  EXPECT_EQ(coda.read(), (Read{{1, kCoda}, {2, kCoda}, {3, kCoda}}));
  Walk lens("kl:tau=0.01,decode=lens");
  EXPECT_EQ(lens.run(steps), Left(3, "kl"));
  constexpr auto kLens = LoopStep::Readout::lens;
  EXPECT_EQ(lens.read(), (Read{{1, kLens}, {2, kLens}, {3, kLens}}));
  // KL((1/2, 1/2) to softmax(3, 0)) = ln(1 + e^3) - ln 2 - 3/2 = 0.8554: the first loop alone never fires.
  EXPECT_EQ(Walk("kl:tau=0.86").run(steps), Left(2, "kl"));
  EXPECT_EQ(Walk("kl:tau=0.85").run(steps), Left(3, "kl"));
}

TEST(HuginnExits, LatentDiffIsTheRelativeStepBelowThreePercent) {
  EXPECT_EQ(Walk("latent-diff").run(step_norms({1, 0.31F, 0.29F, 1, 1})), Left(3, "step"));
  EXPECT_EQ(Walk("latent-diff:tau=0.2").run(step_norms({3, 1, 1, 1, 1})), Left(2, "step"));
}

TEST(HuginnExits, CosineMeasuresTheTurnOfTheStateAlone) {
  // States of lengths 4, 8, 8: doubled in place (no turn), then turned by 60 degrees (a step of 8).
  std::vector<LoopStep> steps(3);
  const float lengths[] = {4, 8, 8};
  const float norms[] = {4, 4, 8};
  for (std::size_t k = 0; k < 3; ++k) {
    steps[k].state_norm = lengths[k];
    steps[k].previous_state_norm = k == 0 ? 0 : lengths[k - 1];
    steps[k].step_norm = norms[k];
  }
  EXPECT_EQ(Walk("cosine").run(steps), Left(2, "cosine"));
  steps[1].step_norm = 8;
  EXPECT_EQ(Walk("cosine:tau=0.49").run(steps), Left(6, "end"));
  EXPECT_EQ(Walk("cosine:tau=0.51").run({steps[0]}), Left(6, "end")) << "a first state of zeros has no angle";
  EXPECT_EQ(Walk("cosine:tau=0.51").run(steps), Left(3, "cosine"));
}

TEST(HuginnExits, EntropyDiffComparesTheEntropyOfTwoLoops) {
  // The same distribution with its tokens exchanged has the same entropy.
  const std::vector<std::vector<float>> logits = {{0, 0}, {3, 0}, {0, 3}, {0, 0}};
  EXPECT_EQ(Walk("entropy-diff").run(decoded(logits)), Left(3, "entropy-diff"));
  EXPECT_EQ(Walk("kl").run(decoded(logits)), Left(6, "end"));
}

TEST(HuginnExits, MinPKlIgnoresTheUnlikelyTail) {
  // Token 2 moves, but below a tenth of the likeliest one's probability.
  const std::vector<std::vector<float>> logits = {{5, 4, 0}, {5, 4, 2}, {5, 4, -9}};
  EXPECT_EQ(Walk("minp-kl:tau=0.01").run(decoded(logits)), Left(2, "minp-kl"));
  EXPECT_EQ(Walk("minp-kl:tau=0.01,minp=0.01").run(decoded(logits)), Left(6, "end"));
  EXPECT_EQ(Walk("kl:tau=0.01").run(decoded(logits)), Left(6, "end"));
}

TEST(HuginnExits, ArgmaxStabilityCountsRepetitions) {
  const std::vector<std::vector<float>> logits = {{1, 0}, {2, 0}, {0, 1}, {0, 2}, {0, 3}};
  EXPECT_EQ(Walk("argmax-stability:steps=1").run(decoded(logits)), Left(2, "argmax-stability"));
  EXPECT_EQ(Walk("argmax-stability:steps=2").run(decoded(logits)), Left(5, "argmax-stability"));
  EXPECT_EQ(Walk("argmax-stability").run(decoded(logits)), Left(6, "end"));
}

TEST(GateExit, NeedsAModelWithAGate) {
  EXPECT_THAT([] { Walk("gate"); }, ThrowsMessage<Error>(HasSubstr("exit gate: this model has no exit gate")));
}

TEST(EveryRule, MayBeAskedAfterEveryNthLoopOnly) {
  EXPECT_EQ(Walk("step:tau=9,form=absolute,every=2").run(step_norms({1, 1, 1, 1, 1})), Left(2, "step"));
  EXPECT_EQ(Walk("step:tau=9,form=absolute,every=3,min=4").run(step_norms({1, 1, 1, 1, 1})), Left(6, "end"));
}

TEST(LatentRules, ReadNoLogits) {
  for (const char* rule : {"accel:tau=0.1", "step:tau=0.1", "fixed", "fixed:loops=3", "random:weights=1/1/1"}) {
    Walk walk(rule);
    walk.run(accelerations({9, 9, 9, 9, 9}));
    EXPECT_TRUE(walk.read().empty()) << rule;
  }
}

TEST(EveryRule, SaysWhatItReads) {
  ModelSpec spec = Walk::one_group();
  spec.groups[1].exit_gate = true;
  const auto reads = [&](const std::string& rule) {
    const ExitReads found = BoundedExit(parse_exit(rule), {spec, {1, 6}, {}}).reads(1);
    return std::pair(found.norms, found.gate);
  };
  for (const char* rule : {"accel:tau=1", "step:tau=1", "latent-diff", "cosine", "ratio:tau=1", "two-sided:tau=1"}) {
    EXPECT_EQ(reads(rule), std::pair(true, false)) << rule;
  }
  EXPECT_EQ(reads("gate"), std::pair(false, true));
  for (const char* rule : {"fixed", "random:weights=1/1", "kl", "minp-kl", "entropy-diff", "argmax-stability",
                           "top:tau=1", "margin:tau=1", "entropy:tau=1", "two-sided:tau=1,measure=entropy"}) {
    EXPECT_EQ(reads(rule), std::pair(false, false)) << rule;
  }
}

TEST(FixedExit, LeavesAfterTheCountOfEachGroup) {
  EXPECT_EQ(Walk("fixed:loops=4").run(std::vector<LoopStep>(5)), Left(4, "fixed"));
  EXPECT_EQ(Walk("fixed").run(std::vector<LoopStep>(5)), Left(6, "end"));
  const ModelSpec spec = small_spec();
  BoundedExit exit(parse_exit("fixed:loops=3/1"), {spec, spec.default_loops(), {}});
  LoopStep step;
  step.group = 1;
  step.loop = 2;
  EXPECT_FALSE(exit.leave_after(step));
  step.group = 2;
  step.loop = 1;
  EXPECT_TRUE(exit.leave_after(step));
}

TEST(Bounds, HoldForEveryRule) {
  const std::vector<LoopStep> still(5);
  EXPECT_EQ(Walk("accel:tau=1,min=4").run(still), Left(4, "acceleration"));
  EXPECT_EQ(Walk("step:tau=1,min=3").run(still), Left(3, "step"));
  EXPECT_EQ(Walk("fixed:loops=1,min=2").run(still), Left(2, "fixed"));
  EXPECT_EQ(Walk("accel:tau=0,max=3").run(still), Left(3, "max"));
  EXPECT_EQ(Walk("random:weights=0/0/0/0/1,max=2").run(still), Left(2, "max"));
  EXPECT_THAT([] { Walk("fixed:min=3,max=2"); }, ThrowsMessage<Error>(AllOf(HasSubstr("min=3"), HasSubstr("max=2"))));
}

/// Depths of the tokens at positions 0, 1, 2 …
std::vector<int> draws(const std::string& rule, int count, std::uint64_t stream = 0) {
  Walk walk(rule, stream);
  std::vector<int> depths;
  for (int position = 0; position < count; ++position) {
    depths.push_back(walk.run(std::vector<LoopStep>(5), position).first);
  }
  return depths;
}

TEST(RandomExit, DrawsDepthsInTheSharesOfItsWeights) {
  constexpr int kDraws = 8000;
  std::vector<int> counts(7);
  for (const int depth : draws("random:weights=0/1/3/4", kDraws)) ++counts[static_cast<std::size_t>(depth)];
  EXPECT_EQ(counts[1] + counts[5] + counts[6], 0);
  for (const auto& [depth, share] : std::vector<std::pair<std::size_t, double>>{{2, 0.125}, {3, 0.375}, {4, 0.5}}) {
    const double five_sigma = 5 * std::sqrt(kDraws * share * (1 - share));
    EXPECT_NEAR(counts[depth], kDraws * share, five_sigma) << depth;
  }
}

TEST(RandomExit, TheSameSeedAndStreamDrawTheSame) {
  EXPECT_EQ(draws("random:weights=1/1/1,seed=5", 50), draws("random:weights=1/1/1,seed=5", 50));
  EXPECT_NE(draws("random:weights=1/1/1,seed=5", 50), draws("random:weights=1/1/1,seed=6", 50));
  EXPECT_NE(draws("random:weights=1/1/1,seed=5", 50), draws("random:weights=1/1/1,seed=5", 50, 1));
}

TEST(RandomExit, ReadsHistogramsFromAFile) {
  const ScratchFolder scratch;
  const std::string file = (scratch / "depths.json").string();
  write_text_atomically(file, R"([{"group": 1, "counts": [0, 0, 5]}])");
  EXPECT_EQ(draws("random:file=" + file, 5), std::vector<int>(5, 3));
  write_text_atomically(file, R"([{"group": 1, "counts": [0, 0]}])");
  EXPECT_THAT([&] { Walk("random:file=" + file); }, ThrowsMessage<Error>(HasSubstr("all zero")));
  write_text_atomically(file, R"({"group": 1})");
  EXPECT_THAT([&] { Walk("random:file=" + file); }, ThrowsMessage<Error>(HasSubstr(file)));
  EXPECT_THAT([] { Walk("random:file=/nowhere"); }, ThrowsMessage<Error>(HasSubstr("/nowhere")));
}

TEST(RandomExit, GivesATokenTheSameDepthWhoeverAsks) {
  // A prompt has a rule of its own for every token; the depths are those of one rule that sees them all.
  const std::vector<int> one = draws("random:weights=1/1/1/1/1", 40);
  for (int position = 0; position < 40; ++position) {
    Walk alone("random:weights=1/1/1/1/1");
    EXPECT_EQ(alone.run(std::vector<LoopStep>(5), position).first, one[static_cast<std::size_t>(position)]);
  }
  EXPECT_GT(std::set<int>(one.begin(), one.end()).size(), 3U);
}

/// The depths that a rule of small_spec's two looped groups (4 and 3 loops) gives the tokens at positions 0, 1, 2 …
std::vector<std::pair<int, int>> pairs(const std::string& rule, int count, std::vector<DepthVectors> measured = {}) {
  const ModelSpec spec = small_spec();
  BoundedExit exit(parse_exit(rule), {spec, spec.default_loops(), std::move(measured)});
  const auto depth = [&](int group, int position) {
    exit.enter_group(group, position);
    for (LoopStep step{group, 1}; step.loop < 10; ++step.loop) {
      if (exit.leave_after(step)) return step.loop;
    }
    return 10;
  };
  std::vector<std::pair<int, int>> depths;
  for (int position = 0; position < count; ++position) {
    const int first = depth(1, position);
    depths.emplace_back(first, depth(2, position));
  }
  return depths;
}

TEST(RandomExit, DealsOutTheDepthsOfAllGroupsTogether) {
  // Measured: 3 tokens of four went 1 and 3 loops, one 4 and 1; never 1 and 1, or 4 and 3.
  const DepthVectors measured{{1, 2}, {{1, 3}, {4, 1}}, {3, 1}};
  std::map<std::pair<int, int>, int> counts;
  for (const auto& depths : pairs("random:like=1", 4000, {measured})) ++counts[depths];
  ASSERT_EQ(counts.size(), 2U);
  EXPECT_NEAR((counts[{1, 3}]), 3000, 5 * std::sqrt(4000 * 0.75 * 0.25));
  // Weights say nothing of how the groups depend on one another: there they are drawn each by itself.
  counts.clear();
  for (const auto& depths : pairs("random:weights=1/0/1", 4000)) ++counts[depths];
  ASSERT_EQ(counts.size(), 4U);
  for (const auto& [depths, count] : counts) EXPECT_NEAR(count, 1000, 5 * std::sqrt(4000 * 0.25 * 0.75));
}

TEST(RandomExit, ReadsDepthVectorsAndRefusesWhatDoesNotFitTheModel) {
  const ScratchFolder scratch;
  const std::string file = (scratch / "depths.json").string();
  const std::string rule = "random:file=" + file;
  write_text_atomically(file, R"({"groups": [2, 1], "depths": [[3, 2]], "counts": [7]})");
  EXPECT_EQ(pairs(rule, 3), (std::vector<std::pair<int, int>>(3, {2, 3})));
  for (const auto& [text, says] : std::vector<std::pair<std::string, std::string>>{
           {R"({"groups": [1, 2], "depths": [[3]], "counts": [7]})", "a depth for each of 2 groups"},
           {R"({"groups": [1, 2], "depths": [[3, 2]], "counts": [7, 1]})", "2 counts of 1 depths"},
           {R"({"groups": [1, 2], "depths": [[3, 4]], "counts": [7]})", "a depth of 4 in group 2"},
           {R"({"groups": [1, 2], "depths": [[0, 1]], "counts": [7]})", "a depth of 0 in group 1"},
           {R"({"groups": [1, 3], "depths": [[1, 1]], "counts": [7]})", "3 is no looped group"},
           {R"({"groups": [1], "depths": [[1]], "counts": [7]})", "group 2 is there 0 times"},
           {R"({"groups": [1, 2], "depths": [[1, 1]], "counts": [-1]})", "counts holds -1"},
           {R"([{"group": 1, "counts": [1]}, {"group": 1, "counts": [1]}])", "group 1 is there 2 times"},
           {R"([{"group": 1, "counts": [0, 0, 0, 0, 1]}])", "a depth of 5 in group 1"},
           {R"([{"group": 1, "counts": [1], "loops": 2}])", "loops"},
           {R"([])", "expected a list"}}) {
    write_text_atomically(file, text);
    EXPECT_THAT([&] { pairs(rule, 1); }, ThrowsMessage<Error>(AllOf(HasSubstr(file), HasSubstr(says)))) << text;
  }
}

TEST(GateExit, CountsTheGatesOfTheLoopsInBetween) {
  // Half of what is left leaves after every loop: 1/2, 3/4, 7/8, 15/16.
  ModelSpec spec = Walk::one_group();
  spec.groups[1].exit_gate = true;
  const auto leaves_after = [&](const std::string& rule) {
    BoundedExit exit(parse_exit(rule), {spec, {1, 6}, {}});
    exit.enter_group(1, 0);
    for (LoopStep step{1, 1}; step.loop < 6; ++step.loop) {
      if (exit.leave_after(step)) return step.loop;
    }
    return 6;
  };
  EXPECT_EQ(leaves_after("gate:threshold=0.87"), 3);
  EXPECT_EQ(leaves_after("gate:threshold=0.9"), 4);
  EXPECT_EQ(leaves_after("gate:threshold=0.7,every=2"), 2);
  EXPECT_EQ(leaves_after("gate:threshold=0.9,every=2"), 4);
  EXPECT_EQ(leaves_after("gate:threshold=0.9,every=3"), 6);
}

TEST(RulesThatReadLogits, AreNotAskedBeforeTheirAnswerCanMatter) {
  // Loops whose logits are read of six, where nothing fires.
  const auto read = [](const std::string& rule) {
    const std::vector<std::vector<float>> logits = {{0, 0}, {9, 0}, {0, 9}, {2, 0}, {0, 9}};
    Walk walk(rule);
    EXPECT_EQ(walk.run(decoded(logits)), Left(6, "end")) << rule;
    std::vector<int> loops;
    for (const auto& [loop, how] : walk.read()) loops.push_back(loop);
    return loops;
  };
  EXPECT_EQ(read("kl:tau=1e-9"), (std::vector<int>{1, 2, 3, 4, 5}));
  EXPECT_EQ(read("kl:tau=1e-9,min=4"), (std::vector<int>{3, 4, 5}));
  EXPECT_EQ(read("kl:tau=1e-9,min=4,hits=2"), (std::vector<int>{2, 3, 4, 5}));
  EXPECT_EQ(read("kl:tau=1e-9,min=3,every=2"), (std::vector<int>{2, 4}));
  EXPECT_EQ(read("entropy-diff:tau=0,min=5"), (std::vector<int>{4, 5}));
  EXPECT_EQ(read("argmax-stability:steps=2,min=5"), (std::vector<int>{3, 4, 5}));
}

TEST(RulesThatReadLogits, LeaveWhereTheyWouldHavingReadAll) {
  const std::vector<std::vector<float>> logits = {{9, 0}, {0, 9}, {0, 9}, {0, 9}, {0, 9}};
  const std::vector<LoopStep> steps = decoded(logits);
  EXPECT_EQ(Walk("kl:tau=0.1,hits=2").run(steps), Left(4, "kl"));
  EXPECT_EQ(Walk("kl:tau=0.1,hits=2,min=4").run(steps), Left(4, "kl"));
  EXPECT_EQ(Walk("kl:tau=0.1,hits=2,min=5").run(steps), Left(5, "kl"));
  EXPECT_EQ(Walk("argmax-stability:steps=3,min=5").run(steps), Left(5, "argmax-stability"));
}

struct Mistake {
  std::string rule;
  std::vector<std::string> says;
};

class WrongRule : public ::testing::TestWithParam<Mistake> {};

TEST_P(WrongRule, IsNamedWithWhatWouldBeRight) {
  try {
    Walk walk(GetParam().rule);
    FAIL() << GetParam().rule << " was accepted";
  } catch (const Error& error) {
    for (const std::string& part : GetParam().says) EXPECT_THAT(error.what(), HasSubstr(part));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, WrongRule,
    ::testing::Values(
        Mistake{"fastest", {"\"fastest\"", "fixed, accel, step, kl, random"}}, Mistake{"", {"fixed, accel"}},
        Mistake{"accel:tao=1", {"accel", "\"tao\"", "tau, hits, form, min, max, every, first, against, end, save"}},
        Mistake{"accel", {"accel", "tau is missing"}}, Mistake{"step:hits=2", {"step", "tau is missing"}},
        Mistake{"step:hits=2", {"step", "tau is missing"}}, Mistake{"accel:tau=x", {"accel", "tau=x"}},
        Mistake{"accel:tau=-1", {"tau=-1"}}, Mistake{"accel:tau=nan", {"tau=nan"}},
        Mistake{"accel:tau=0.1 ", {"tau=0.1 "}}, Mistake{"accel:tau=1,hits=0", {"hits=0"}},
        Mistake{"accel:tau=1,hits=1.5", {"hits=1.5"}},
        Mistake{"accel:tau=1,form=round",
                {"form=round", "absolute, relative, normalised, scalar, ratio, sign, maximum"}},
        Mistake{"step:tau=1,form=sign", {"form=sign", "absolute, relative, normalised"}},
        Mistake{"accel:tau=1,form=sign", {"tau", "form=sign has no threshold"}}, Mistake{"ratio", {"tau is missing"}},
        Mistake{"ratio:tau=1,side=left", {"side=left", "below, above"}},
        Mistake{"top:tau=1.5", {"top", "tau=1.5", "between 0 and 1"}}, Mistake{"margin:tau=2", {"margin", "tau=2"}},
        Mistake{"entropy:form=lens", {"entropy has no option", "tau, hits, decode"}},
        Mistake{"two-sided:tau=1,measure=kl", {"measure=kl", "step, accel, entropy"}},
        Mistake{"two-sided:tau=1,patience=0", {"patience=0"}}, Mistake{"two-sided:tau=1,factor=2", {"factor=2"}},
        Mistake{"two-sided:tau=1,decode=lens", {"only measure=entropy decodes"}},
        Mistake{"kl:tau=1,decode=all", {"decode=all", "coda, lens"}}, Mistake{"accel:tau", {"\"tau\"", "key=value"}},
        Mistake{"fixed:loops=0", {"fixed:loops", "\"0\""}},
        Mistake{"fixed:loops=7", {"fixed:loops=7", "more than the 6", "run more"}},
        Mistake{"fixed:loops=1/2/3", {"3 counts for 1 looped groups"}}, Mistake{"fixed:max=0", {"max=0"}},
        Mistake{"random", {"random", "weights is missing"}}, Mistake{"random:weights=0/0", {"all weights are zero"}},
        Mistake{"random:weights=1/a", {"weights=1/a"}}, Mistake{"random:weights=1/", {"weights=1/"}},
        Mistake{"random:weights=1/-1", {"weights=1/-1"}}, Mistake{"random:like=1", {"like", "earlier"}},
        Mistake{"random:weights=1,seed=x", {"seed=x"}}, Mistake{"step:tau=1,first=0", {"first=0"}},
        Mistake{"step:tau=1,against=s0", {"against=s0", "loop, check"}},
        Mistake{"kl:against=check", {"exit kl:against=check", "reads no states"}},
        Mistake{"fixed:against=check", {"reads no states"}},
        Mistake{"step:tau=1,end=check", {"end=check", "decodes nothing"}},
        Mistake{"kl:end=never", {"end=never", "loop, check"}}, Mistake{"kl:save=maybe", {"save=maybe", "yes, no"}},
        Mistake{"kl:end=check,save=no", {"save=no", "settled already"}},
        Mistake{"kl:start=100", {"start=100", "none, uniform"}},
        Mistake{"entropy-diff:start=uniform", {"start=uniform"}}, Mistake{"cosine:start=uniform", {"\"start\""}},
        Mistake{"gate-weighted", {"exit gate-weighted", "needs a model whose head"}}));

TEST(ExitHelp, NamesEveryRuleAndOption) {
  const std::string help = exit_help();
  for (const ExitKind& kind : exit_kinds()) {
    EXPECT_THAT(help, HasSubstr(std::string(kind.name)));
    for (const ExitOptionHelp& option : kind.options) EXPECT_THAT(help, HasSubstr(std::string(option.key)));
  }
}

}  // namespace
}  // namespace gyre::exits_test
