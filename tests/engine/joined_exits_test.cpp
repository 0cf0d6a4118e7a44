#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "engine/engine.hpp"
#include "engine/exit_walk.hpp"
#include "engine/exits.hpp"
#include "engine/exits/joined.hpp"
#include "model_folder.hpp"

// Rules of rules: any of them, all of them, one a group.

namespace gyre::joined_exits_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(AnyExit, LeavesWithTheWordOfTheFirstThatFires) {
  std::vector<LoopStep> steps = step_norms({4, 2, 0.9F, 2, 2});
  for (std::size_t k = 0; k < steps.size(); ++k) steps[k].acceleration = k == 3 ? 0.1F : 9;
  const std::string accel = "accel:tau=1,form=absolute";
  EXPECT_EQ(Walk("any(" + accel + ";step:tau=1,form=absolute)").run(steps), Left(3, "step"));
  EXPECT_EQ(Walk("any(step:tau=0.5,form=absolute;" + accel + ")").run(steps), Left(4, "acceleration"));
  EXPECT_EQ(Walk("any(step:tau=0.5,form=absolute;accel:tau=0.1,form=absolute)").run(steps), Left(6, "end"));
  EXPECT_EQ(Walk("any(" + accel + ";fixed:loops=4)").run(steps), Left(4, "acceleration"));
  EXPECT_EQ(Walk("any(fixed:loops=4;" + accel + ")").run(steps), Left(4, "fixed"));
}

TEST(AllExit, LeavesWhenAllFireAfterTheSameLoop) {
  std::vector<LoopStep> steps = step_norms({4, 0.5F, 2, 0.5F, 0.5F});
  for (std::size_t k = 0; k < steps.size(); ++k) steps[k].acceleration = k == 2 || k == 4 ? 0.1F : 9;
  EXPECT_EQ(Walk("all(step:tau=1,form=absolute;accel:tau=1,form=absolute)").run(steps), Left(5, "all"));
  EXPECT_EQ(Walk("all(step:tau=1,form=absolute;fixed:loops=3)").run(steps), Left(4, "all"));
  EXPECT_EQ(Walk("all(step:tau=1,form=absolute;accel:tau=0.05,form=absolute)").run(steps), Left(6, "end"));
}

TEST(JoinedExits, CountTheHitsOfEachRule) {
  // Both are asked after every loop, whatever the other says.
  const std::vector<LoopStep> steps = step_norms({0.5F, 0.5F, 9, 0.5F, 0.5F});
  EXPECT_EQ(Walk("all(step:tau=1,form=absolute,hits=2;fixed:loops=3)").run(steps), Left(5, "all"));
  EXPECT_EQ(Walk("any(fixed:loops=5;step:tau=1,form=absolute,hits=2):min=3").run(steps), Left(5, "fixed"));
  EXPECT_EQ(Walk("all(fixed:loops=4;step:tau=1,form=absolute,hits=2)").run(step_norms({9, 9, 0.5F, 0.5F, 0.5F})),
            Left(4, "all"));
  EXPECT_EQ(Walk("any(ratio:tau=0.1;step:tau=1,form=absolute,hits=2):min=3").run(step_norms({9, 0.5F, 0.5F, 9, 9})),
            Left(3, "step"));
  // And neither remembers the token before.
  Walk walk("any(step:tau=1,form=absolute,hits=2;fixed:loops=5)");
  EXPECT_EQ(walk.run(step_norms({9, 9, 9, 9, 0.5F})), Left(5, "fixed"));
  EXPECT_EQ(walk.run(step_norms({0.5F, 9, 9, 9, 9})), Left(5, "fixed"));
}

TEST(JoinedExits, MayHoldOthers) {
  const std::vector<LoopStep> steps = step_norms({4, 3, 2, 1, 0.5F});
  const std::string inner = "all(step:tau=2.5,form=absolute;any(fixed:loops=4;ratio:tau=0.1))";
  EXPECT_EQ(Walk(inner).run(steps), Left(4, "all"));
  EXPECT_EQ(Walk("any(fixed:loops=5;" + inner + ")").run(steps), Left(4, "all"));
  EXPECT_EQ(Walk("any(any(any(fixed:loops=2)))").run(steps), Left(2, "fixed"));
}

TEST(JoinedExits, HaveOneScheduleForAll) {
  const std::vector<LoopStep> steps = step_norms({1, 1, 1, 1, 1});
  EXPECT_EQ(Walk("any(step:tau=9;fixed:loops=5):min=3").run(steps), Left(3, "step"));
  EXPECT_EQ(Walk("any(step:tau=9;fixed:loops=5):every=2").run(steps), Left(2, "step"));
  EXPECT_EQ(Walk("all(step:tau=0;fixed:loops=5):max=4").run(steps), Left(4, "max"));
  const ModelSpec spec = Walk::one_group();
  EXPECT_FALSE(BoundedExit(parse_exit("any(step:tau=1;kl):save=no"), {spec, {1, 6}, {}}).saves());
}

TEST(JoinedExits, ReadWhatAnyOfThemReads) {
  ModelSpec spec = Walk::one_group();
  spec.groups[1].exit_gate = true;
  const auto reads = [&](const std::string& rule) {
    return BoundedExit(parse_exit(rule), {spec, {1, 6}, {}}).reads(1);
  };
  const ExitReads all = reads("any(step:tau=1;gate:over=mean;kl:decode=lens)");
  EXPECT_TRUE(all.norms && all.gate && all.gate_of_all);
  EXPECT_EQ(all.logits, LoopStep::Readout::lens);
  const ExitReads some = reads("all(fixed:loops=2;top:tau=0.5)");
  EXPECT_FALSE(some.norms || some.gate);
  EXPECT_EQ(some.logits, LoopStep::Readout::coda);
  EXPECT_TRUE(reads("any(step:tau=1;fixed):against=check").since_check);
}

TEST(JoinedExits, AreAskedEarlyEnoughForAllOfThem) {
  const auto read = [](const std::string& rule) {
    Walk walk(rule);
    EXPECT_EQ(walk.run(decoded({{0, 0}, {9, 0}, {0, 9}, {2, 0}, {0, 9}})), Left(6, "end")) << rule;
    std::vector<int> loops;
    for (const auto& [loop, how] : walk.read()) loops.push_back(loop);
    return loops;
  };
  EXPECT_EQ(read("any(top:tau=1;entropy:tau=0):min=5"), (std::vector<int>{5}));
  EXPECT_EQ(read("any(top:tau=1;kl:tau=0,hits=2):min=5"), (std::vector<int>{3, 4, 5}));
}

TEST(JoinedExits, DrawEachForItself) {
  Walk walk("any(random:weights=0/1/1/1/1;random:weights=0/1/1/1/1)");
  double sum = 0;
  constexpr int kTokens = 400;
  for (int position = 0; position < kTokens; ++position) sum += walk.run(std::vector<LoopStep>(5), position).first;
  // The lesser of two draws from 2 to 5 is 2.875 in the mean, one draw 3.5.
  EXPECT_NEAR(sum / kTokens, 2.875, 0.2);
}

/// The depths of a token in small_spec's looped groups (4 and 3 loops) and the words.
class GroupsExit : public ::testing::Test {
 protected:
  TokenDepth decode(const std::string& rule) {
    Engine engine(model_, 1);
    Sequence sequence = engine.start(loops_, 4, {}, 1);
    BoundedExit exit(parse_exit(rule), {model_.spec(), loops_, {}});
    TokenDepth depth;
    engine.decode(sequence, 5, &exit, depth);
    return depth;
  }
  void expect_refused(const std::string& rule, const std::string& says) {
    EXPECT_THAT(
        [&] {
          BoundedExit(parse_exit(rule), {model_.spec(), loops_, {}});
        },
        ThrowsMessage<Error>(HasSubstr(says)))
        << rule;
  }

  ModelFolder folder_;
  Model model_ = Model::load(folder_.path());
  std::vector<int> loops_ = model_.spec().default_loops();
};

using Loops = std::vector<int>;
using Words = std::vector<std::string_view>;

TEST_F(GroupsExit, GivesEachGroupItsRule) {
  const TokenDepth both = decode("groups(loop a=step:tau=1e9,min=2;loop b=fixed:loops=2)");
  EXPECT_EQ(both.loops, (Loops{1, 2, 2, 1}));
  EXPECT_EQ(both.reasons, (Words{"", "step", "fixed", ""}));
  EXPECT_EQ(decode("groups(2=fixed:loops=2;1=fixed:loops=3)").loops, (Loops{1, 3, 2, 1}));
  EXPECT_EQ(decode("groups(2=fixed:loops=2;1=fixed:loops=3)").read, Loops{});
}

TEST_F(GroupsExit, RunsGroupsThatAreNotNamedInFull) {
  const TokenDepth one = decode("groups(loop b=kl:tau=1e9,start=uniform)");
  EXPECT_EQ(one.loops, (Loops{1, 4, 1, 1}));
  EXPECT_EQ(one.reasons, (Words{"", "end", "kl", ""}));
}

TEST_F(GroupsExit, HasBoundsAndReadsOfEachGroup) {
  EXPECT_EQ(decode("groups(1=any(step:tau=1e9;fixed):min=3;2=step:tau=0,max=2)").loops, (Loops{1, 3, 2, 1}));
  // Lens in one group and coda in the other, in one rule.
  const TokenDepth depth = decode("groups(1=kl:tau=1e9,decode=lens;2=kl:tau=1e9)");
  EXPECT_EQ(depth.loops, (Loops{1, 2, 2, 1}));
}

TEST_F(GroupsExit, SaysWhatWasReadOfEveryGroup) {
  const TokenDepth depth = decode("groups(1=fixed:loops=2,save=no;2=fixed:loops=1)");
  EXPECT_EQ(depth.loops, (Loops{1, 4, 1, 1}));
  EXPECT_EQ(depth.read, (Loops{1, 2, 1, 1}));
  const TokenDepth other = decode("groups(1=fixed:loops=2;2=fixed:loops=1,save=no)");
  EXPECT_EQ(other.loops, (Loops{1, 2, 3, 1}));
  EXPECT_EQ(other.read, (Loops{1, 2, 1, 1}));
}

TEST_F(GroupsExit, TakesDepthsOfOneGroupFromAFile) {
  const std::string file = folder_.beside("depths.json").string();
  write_text_atomically(file, R"([{"group": 2, "counts": [0, 5]}])");
  EXPECT_EQ(decode("groups(2=random:file=" + file + ")").loops, (Loops{1, 4, 2, 1}));
  expect_refused("groups(1=random:file=" + file + ")", "group 1 is there 0 times");
  EXPECT_EQ(decode("groups(1=random:weights=0/1)").loops, (Loops{1, 2, 3, 1}));
}

TEST_F(GroupsExit, NamesWhatItCannotTake) {
  expect_refused("groups(loop c=fixed)", "\"loop c\" is no looped group of this model; choose among 1 (loop a), 2");
  expect_refused("groups(0=fixed)", "\"0\" is no looped group");
  expect_refused("groups(coda=fixed)", "\"coda\" is no looped group");
  expect_refused("groups(1=fixed;loop a=fixed)", "group 1 has two rules");
  expect_refused("groups(fixed)", "\"fixed\" is not of the form GROUP=RULE");
  expect_refused("groups(1=fixed):min=2", "min= goes to the rules of the groups");
  expect_refused("groups(1=groups(1=fixed))", "groups(…) stands alone");
  expect_refused("groups(1=random:like=1)", "like=1 works in a rule by itself");
  expect_refused("groups(1=fixed:loops=5)", "more than the 4 loops");
  expect_refused("groups(1=fixed:loops=2/1)", "2 counts for the one group");
  expect_refused("groups(1=gate)", "exit gate: this model has no exit gate");
  ModelSpec gated = model_.spec();
  gated.groups[2].exit_gate = true;
  EXPECT_NO_THROW(BoundedExit(parse_exit("groups(2=gate)"), {gated, loops_, {}}));
  EXPECT_THAT(
      [&] {
        BoundedExit(parse_exit("groups(1=gate)"), {gated, loops_, {}});
      },
      ThrowsMessage<Error>(HasSubstr("group 1 has no exit gate")));
}

TEST_F(GroupsExit, OrJoinedRulesAreNamedWithWhatWouldBeRight) {
  expect_refused("any", "any takes rules in parentheses");
  expect_refused("any:min=2", "any takes rules in parentheses");
  expect_refused("fixed(accel:tau=1)", "fixed takes no rules in parentheses");
  expect_refused("any()", "a rule is missing");
  expect_refused("any(fixed;)", "a rule is missing");
  expect_refused("any(fixed;kl", "a ) is missing");
  expect_refused("any(fixed;kl)min=2", "\"min=2\" behind the )");
  expect_refused("any(fixed;quick)", "there is no rule \"quick\"");
  expect_refused("any(fixed;accel:tao=1)", "accel has no option \"tao\"");
  expect_refused("any(fixed;accel)", "tau is missing");
  expect_refused("any(fixed;kl):tau=1", "any has no option \"tau\"; its options are min, max");
  expect_refused("any(fixed;accel:tau=1,min=2)", "min=2 holds for all rules of any(…); write it behind");
  expect_refused("all(fixed;any(kl):save=no)", "save=no holds for all rules of all(…)");
  expect_refused("any(kl;top:tau=1,decode=lens)", "give all the same decode=");
  expect_refused("any(fixed;groups(1=fixed))", "groups(…) stands alone");
  expect_refused("any(fixed;random:like=1)", "like=1 works in a rule by itself");
  expect_refused("any(fixed;step:tau=1):end=check", "decodes nothing");
  expect_refused("any(fixed):min=3,max=2", "min=3 is more than max=2");
}

/// A rule that looks at one thing and never lets go.
class Reader : public ExitRule {
 public:
  explicit Reader(ExitReads reads) : reads_(reads) {}
  [[nodiscard]] ExitReads reads() const override { return reads_; }
  void enter_group(int /*group*/, int /*position*/) override {}
  std::optional<std::string_view> leave_after(const LoopStep& /*step*/) override { return {}; }

 private:
  ExitReads reads_;
};

class Joined : public JoinedExit {
 public:
  using JoinedExit::JoinedExit;
  std::optional<std::string_view> leave_together(std::span<const LoopStep> /*steps*/) override { return {}; }
};

TEST(JoinedExits, ReadWhatAnyOfTheirRulesReads) {
  const auto both = [](ExitReads first, ExitReads second) {
    std::vector<std::unique_ptr<ExitRule>> rules;
    rules.push_back(std::make_unique<Reader>(first));
    rules.push_back(std::make_unique<Reader>(second));
    return Joined(std::move(rules), "any(…)").reads();
  };
  EXPECT_TRUE(both({.state = true}, {}).state);
  EXPECT_TRUE(both({}, {.state = true}).state);
  EXPECT_TRUE(both({.norms = true}, {}).norms);
  EXPECT_TRUE(both({}, {.gate = true}).gate);
  EXPECT_FALSE(both({.norms = true}, {.gate = true}).state);
}

}  // namespace
}  // namespace gyre::joined_exits_test
