#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/random.hpp"
#include "engine/engine.hpp"
#include "engine/exit_head.hpp"
#include "exit_walk.hpp"
#include "model_folder.hpp"
#include "scratch_folder.hpp"

namespace gyre::learned_exits_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr std::size_t kHidden = 16;

/// Of states along the first axis: 2 there, 1/2 of the relative step, and a constant a loop.
ExitHead made_up(HeadKind kind, std::vector<float> loops) {
  ExitHead head;
  head.kind = kind;
  head.model_sha256 = "none";
  head.weights = {"f32"};
  head.stack = nlohmann::json::array();
  GroupHead& group = head.groups.emplace_back();
  group.group = 1;
  group.state.assign(kHidden, 0.0F);
  group.state[0] = 2;
  group.state[1] = -1;
  group.relative_step = 0.5F;
  group.loops = std::move(loops);
  return head;
}

class LearnedExit : public ::testing::Test {
 protected:
  std::string file(const nlohmann::json& json) const {
    write_text_atomically(scratch_ / "head.json", json.dump());
    return "head:file=" + (scratch_ / "head.json").string();
  }
  std::string file(const ExitHead& head) const { return file(to_json(head)); }

  /// Loops whose states lie along the first axis, of that length and sign, with steps of length 3.
  std::vector<LoopStep> along(const std::vector<float>& lengths) {
    states_.clear();
    for (const float length : lengths) states_.emplace_back(kHidden, 0.0F)[0] = length;
    std::vector<LoopStep> steps(lengths.size());
    for (std::size_t k = 0; k < steps.size(); ++k) {
      steps[k].state = states_[k];
      steps[k].state_norm = std::abs(lengths[k]);
      steps[k].step_norm = 3;
    }
    return steps;
  }

  /// Reading a file that `change` has spoilt says `why`.
  void refuses(const std::function<void(nlohmann::json&)>& change, const std::string& why) {
    nlohmann::json json = to_json(made_up(HeadKind::drop, {0, 0, 0, 0, 0}));
    change(json);
    const std::string text = file(json);
    EXPECT_THAT([&] { parse_exit(text); }, ThrowsMessage<Error>(HasSubstr(why))) << why;
  }

  ScratchFolder scratch_;
  std::vector<std::vector<float>> states_;
};

TEST_F(LearnedExit, ScoresTheDirectionOfAStateItsStepAndTheLoop) {
  const GroupHead head = made_up(HeadKind::drop, {0.25F, -0.5F}).groups[0];
  std::vector<float> x(kHidden, 0.0F);
  x[0] = 3;
  x[1] = 4;
  // x / rms: ‖x‖ = 5, rms = 5 / 4, so (2.4, 3.2, 0 …); 2 · 2.4 − 3.2 = 1.6. Half of the relative step 2 / 5: 0.2.
  EXPECT_NEAR(head.score(x, 5, 2, 1), 1.6 + 0.2 + 0.25, 1e-6);
  EXPECT_NEAR(head.score(x, 5, 2, 2), 1.6 + 0.2 - 0.5, 1e-6);
  EXPECT_EQ(head.score(std::vector<float>(kHidden, 0.0F), 0, 0, 2), -0.5) << "a state of zeros has no direction";
}

TEST_F(LearnedExit, LeavesWhereTheDropIsBelowTau) {
  // ±8 of the direction (2 · √16), 0.5 · 3 / length, and the loop's constant.
  const std::string rule = file(made_up(HeadKind::drop, {0, 0, 16, 0, 0}));
  const std::vector<LoopStep> steps = along({1, 2, -4, -3, 5});  // 9.5, 8.75, 16 − 8 + 0.375, −8 + 0.5, 8.3
  EXPECT_EQ(Walk(rule + ",tau=9").run(steps), Left(2, "head"));
  EXPECT_EQ(Walk(rule + ",tau=8.4").run(steps), Left(3, "head"));
  EXPECT_EQ(Walk(rule + ",tau=8.37").run(steps), Left(4, "head"));
  EXPECT_EQ(Walk(rule + ",tau=-7.4").run(steps), Left(4, "head")) << "below zero, going on is predicted to cost";
  EXPECT_EQ(Walk(rule + ",tau=-7.5").run(steps), Left(6, "end")) << "below, not at";
  EXPECT_EQ(Walk(rule + ",tau=9,min=5").run(steps), Left(5, "head"));
}

TEST_F(LearnedExit, OfAGateLeavesWhereEnoughHasLeft) {
  ExitHead head = made_up(HeadKind::gate, {0, 0, 0, 0, 0});
  head.groups[0].state[0] = 0;
  head.groups[0].relative_step = 0;
  head.groups[0].loops = {std::log(0.25F), std::log(0.25F), std::log(3.0F), 0, 0};  // λ: 1/5, 1/5, 3/4, 1/2, 1/2
  const std::string rule = file(head);
  const std::vector<LoopStep> steps = along({1, 1, 1, 1, 1});  // left: 0.8, 0.64, 0.16, 0.08, 0.04
  EXPECT_EQ(Walk(rule).run(steps), Left(3, "head")) << "0.5 unless told";
  EXPECT_EQ(Walk(rule + ",threshold=0.19").run(steps), Left(1, "head"));
  EXPECT_EQ(Walk(rule + ",threshold=0.21").run(steps), Left(2, "head"));
  EXPECT_EQ(Walk(rule + ",threshold=0.85").run(steps), Left(4, "head"));
  EXPECT_EQ(Walk(rule + ",threshold=1").run(steps), Left(6, "end"));
  EXPECT_EQ(Walk(rule + ",threshold=0.21,every=3").run(steps), Left(3, "head")) << "loops that nobody asks at count";
}

TEST_F(LearnedExit, ComesBackFromItsFile) {
  ExitHead head = made_up(HeadKind::gate, {0.1F, -1e-7F, 3});
  head.readout = HeadReadout::full;
  head.groups[0].state[3] = 0.1F;
  file(head);
  const ExitHead back = read_exit_head(scratch_ / "head.json");
  EXPECT_EQ(to_json(back), to_json(head));
  EXPECT_EQ(back.kind, HeadKind::gate);
  EXPECT_EQ(back.readout, HeadReadout::full);
  EXPECT_EQ(back.groups[0].state, head.groups[0].state) << "to the last bit";
  EXPECT_EQ(back.groups[0].loops, head.groups[0].loops);
  EXPECT_EQ(back.sha256.size(), 64U);
}

TEST_F(LearnedExit, BrokenFilesAreRefused) {
  refuses([](auto& json) { json.erase("gyre_exit_head"); }, "is no file of gyre train-exit");
  refuses([](auto& json) { json["gyre_exit_head"] = 2; }, "gyre_exit_head");
  refuses([](auto& json) { json["kind"] = "oracle"; }, "kind is \"oracle\"; choose one of drop, gate");
  refuses([](auto& json) { json["decode"] = "eye"; }, "choose one of coda, lens, full");
  refuses([](auto& json) { json["trained_for"].erase("model_sha256"); }, "model_sha256");
  refuses([](auto& json) { json["groups"] = nlohmann::json::array(); }, "groups is empty");
  refuses([](auto& json) { json["groups"][0]["state"].erase(0); }, "state holds 15 numbers and hidden_size is 16");
  refuses([](auto& json) { json["groups"][0]["loops"][1] = "x"; }, "group 1: loops holds \"x\"");
  refuses([](auto& json) { json["groups"][0]["loops"][1] = nullptr; }, "loops holds null");
  refuses([](auto& json) { json["groups"].push_back(json["groups"][0]); }, "group 1 is there twice");
  refuses([](auto& json) { json = 7; }, "is no file of gyre train-exit");
  EXPECT_THAT([] { parse_exit("head:tau=1"); }, ThrowsMessage<Error>(HasSubstr("exit head: file is missing")));
  EXPECT_THAT([] { parse_exit("head:file=nowhere.json,tau=1"); }, ThrowsMessage<Error>(HasSubstr("nowhere.json")));
}

TEST_F(LearnedExit, RulesThatItCannotBeAreRefused) {
  const auto refuses_rule = [](const std::string& rule, const std::string& why) {
    EXPECT_THAT([&] { Walk{rule}; }, ThrowsMessage<Error>(HasSubstr(why))) << why;
  };
  const std::string drop = file(made_up(HeadKind::drop, {0, 0, 0, 0, 0}));
  refuses_rule(drop, "tau is missing");
  refuses_rule(drop + ",threshold=0.5", "holds a drop, which has tau instead");
  refuses_rule(drop + ",tau=nan", "tau=nan is no number");
  refuses_rule(drop + ",tau=1,against=check", "trained on steps from the loop before");
  refuses_rule(file(made_up(HeadKind::drop, {0, 0, 0, 0})) + ",tau=1", "on 5 loops of group 1, and this run has 6");
  refuses_rule(file(made_up(HeadKind::gate, {0, 0, 0, 0, 0})) + ",tau=1", "holds a gate, which has threshold instead");
  ExitHead other = made_up(HeadKind::drop, {0, 0, 0, 0, 0});
  other.groups[0].state.push_back(0);
  refuses_rule(file(other) + ",tau=1", "on states of 17 numbers, and this model's have 16");
  other = made_up(HeadKind::drop, {0, 0, 0, 0, 0});
  other.groups[0].group = 0;
  refuses_rule(file(other) + ",tau=1", "was not trained on group 1");
  other = made_up(HeadKind::drop, {0, 0, 0, 0, 0});
  other.groups.push_back(other.groups[0]);
  other.groups[1].group = 4;
  refuses_rule(file(other) + ",tau=1", "trained on group 4, which does not loop here");
}

TEST_F(LearnedExit, JoinsOtherRules) {
  const std::string rule = file(made_up(HeadKind::drop, {0, 0, 16, 0, 0})) + ",tau=9";
  EXPECT_EQ(Walk("any(" + rule + ";fixed:loops=4)").run(along({1, 1, 1, 1, 1})), Left(4, "fixed"));
  EXPECT_EQ(Walk("any(" + rule + ";fixed:loops=4)").run(along({1, 2, 1, 1, 1})), Left(2, "head"));
}

/// Several texts decoded together: each leaves where its own states, as they are traced, say so.
TEST_F(LearnedExit, SeesTheStateOfItsOwnToken) {
  const ModelFolder folder;
  const Model model = Model::load(folder.path());
  const std::vector<int> loops = model.spec().default_loops();
  ExitHead head = made_up(HeadKind::drop, {0.3F, 0, -0.2F});
  Random random(5);
  for (float& weight : head.groups[0].state) weight = static_cast<float>(random.normal());
  head.groups.push_back(head.groups[0]);
  head.groups[1].group = 2;
  const std::string rule = file(head) + ",tau=0";

  constexpr std::size_t kTexts = 8;
  for (const int threads : {1, 3}) {
    Engine engine(model, threads);
    std::vector<Sequence> sequences;
    std::vector<BoundedExit> exits;
    std::vector<DecodeRow> rows;
    std::vector<std::vector<int>> wanted(kTexts);
    std::vector<std::map<std::pair<int, int>, std::vector<float>>> states(kTexts);
    for (std::size_t i = 0; i < kTexts; ++i) {
      sequences.push_back(engine.start(loops, 4, {}, 1));
      exits.emplace_back(parse_exit(rule), ExitContext{model.spec(), loops, {}});
    }
    std::vector<TraceSink> sinks;
    for (std::size_t i = 0; i < kTexts; ++i) {
      sinks.push_back([&states, i](const TracePoint& point) {
        states[i][{point.group, point.loop}].assign(point.states.begin(), point.states.end());
      });
    }
    for (std::size_t i = 0; i < kTexts; ++i) {
      rows.push_back({&sequences[i], static_cast<std::int32_t>(i), &exits[i], {}, &sinks[i]});
    }
    engine.decode(rows);
    std::set<int> depths;
    for (std::size_t i = 0; i < kTexts; ++i) {
      for (const int group : {1, 2}) {
        const int most = loops[static_cast<std::size_t>(group)];
        int left = most;
        for (int k = 1; k < most && left == most; ++k) {
          const std::vector<float>& now = states[i].at({group, k});
          const std::vector<float>& before = states[i].at({group, k - 1});
          double norm = 0;
          double step = 0;
          for (std::size_t c = 0; c < kHidden; ++c) {
            norm += std::pow(static_cast<double>(now[c]), 2);
            step += std::pow(static_cast<double>(now[c] - before[c]), 2);
          }
          const GroupHead& one = *head.of_group(group);
          const double score =
              one.score(now, static_cast<float>(std::sqrt(norm)), static_cast<float>(std::sqrt(step)), k);
          if (score < 0) left = k;
        }
        EXPECT_EQ(rows[i].depth.loops[static_cast<std::size_t>(group)], left) << "text " << i << ", group " << group;
        depths.insert(left);
      }
    }
    EXPECT_GT(depths.size(), 2U) << "they leave at different depths";
  }
}

}  // namespace
}  // namespace gyre::learned_exits_test
