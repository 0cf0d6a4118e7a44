#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "gyre/gyre.hpp"
#include "model_folder.hpp"

namespace gyre::program_exit_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Loops = std::vector<std::vector<int>>;

const std::vector<std::int32_t> kPrompt = {3, 1, 4, 1, 5};

/// Leaves by a function of what it sees.
class Rule : public api::ExitRule {
 public:
  using Leave = std::function<std::string(const api::ExitStep&)>;
  Rule(Reads reads, Leave leave) : reads_(std::move(reads)), leave_(std::move(leave)) {}

  [[nodiscard]] Reads reads() const override { return reads_; }
  void enter(int group, int position) override { entered_.emplace_back(group, position); }
  std::string leave(const api::ExitStep& step) override {
    EXPECT_EQ(entered_.back(), std::pair(step.group, step.position));
    return leave_(step);
  }

 private:
  Reads reads_;
  Leave leave_;
  std::vector<std::pair<int, int>> entered_;
};

class ProgramExit : public ::testing::Test {
 protected:
  static api::ExitProgram program(const Rule::Leave& leave, const api::ExitRule::Reads& reads = {}) {
    return {"mine", [=] { return std::make_unique<Rule>(reads, leave); }};
  }
  api::Generation write(const api::SequenceOptions& options, Loops* loops = nullptr,
                        std::vector<std::string>* reasons = nullptr, const std::string& prompt_exit = "last") {
    api::Sequence text = runner_.start(options);
    return runner_.generate(text, kPrompt,
                            {.tokens = 4, .temperature = 0, .ignore_end = true, .exit_prompt = prompt_exit},
                            [&](const api::GeneratedToken& token) {
                              if (loops != nullptr) loops->push_back(token.loops);
                              if (reasons != nullptr) reasons->push_back(token.reasons[1]);
                            });
  }

  ModelFolder folder_ = ModelFolder(small_spec());
  api::Model model_ = api::Model::open(folder_.path());
  api::Runner runner_ = api::Runner(model_, {.threads = 1});
};

TEST_F(ProgramExit, LeavesWhenItSaysSoAndGivesItsWord) {
  const auto rule = program([](const api::ExitStep& step) { return step.loop == 2 ? "enough" : ""; });
  Loops loops;
  std::vector<std::string> reasons;
  const api::Generation mine = write({.rule = rule}, &loops, &reasons);
  EXPECT_EQ(loops, Loops(4, {1, 2, 2, 1}));
  EXPECT_EQ(reasons, std::vector<std::string>(4, "enough"));
  EXPECT_EQ(mine.tokens, write({.exit = "fixed:loops=2/2"}).tokens);
  const auto never = program([](const api::ExitStep&) { return ""; });
  loops.clear();
  EXPECT_EQ(write({.rule = never}, &loops).tokens, write({}).tokens);
  EXPECT_EQ(loops, Loops(4, {1, 4, 3, 1}));
}

TEST_F(ProgramExit, SeesWhatTheRulesOfTheLibrarySee) {
  // The same comparison as accel:tau=0.5,form=relative with norms by hand from the states.
  std::vector<float> before;
  const auto check = [&](const api::ExitStep& step) -> std::string {
    double sum = 0;
    double moved = 0;
    for (std::size_t i = 0; i < step.state.size(); ++i) {
      sum += static_cast<double>(step.state[i]) * static_cast<double>(step.state[i]);
      if (step.loop > 1) moved += std::pow(static_cast<double>(step.state[i]) - static_cast<double>(before[i]), 2);
    }
    EXPECT_EQ(step.state.size(), 16U);
    EXPECT_NEAR(step.state_norm, std::sqrt(sum), 1e-4);
    if (step.loop > 1) {
      EXPECT_NEAR(step.step_norm, std::sqrt(moved), 1e-4);
      EXPECT_GT(step.acceleration, 0);
      EXPECT_GT(step.previous_step_norm, 0);
    }
    before.assign(step.state.begin(), step.state.end());
    EXPECT_TRUE(step.logits.empty());
    return {};
  };
  write({.rule = program(check, {.state = true})});
  const auto lens = [&](const api::ExitStep& step) -> std::string {
    EXPECT_EQ(step.logits.size(), 16U);
    EXPECT_TRUE(step.state.empty());
    EXPECT_EQ(step.state_norm, 0);
    return {};
  };
  for (const char* readout : {"lens", "coda"}) write({.rule = program(lens, {.norms = false, .logits = readout})});
}

TEST_F(ProgramExit, EveryTextAndTokenOfAPromptHasARuleOfItsOwn) {
  int made = 0;
  const api::ExitProgram counted{"mine", [&] {
                                   ++made;
                                   return std::make_unique<Rule>(api::ExitRule::Reads{}, [](const api::ExitStep& step) {
                                     return step.loop == 1 ? "now" : "";
                                   });
                                 }};
  const api::Generation got = write({.rule = counted}, nullptr, nullptr, "each");
  EXPECT_EQ(made, 1 + 5);
  EXPECT_EQ(got.prompt_loops, Loops(4, {1, 1, 1, 1}));
  api::Sequence text = runner_.start({.rule = counted});
  const api::Sequence fork = text.fork();
  EXPECT_EQ(made, 8);
  EXPECT_EQ(nlohmann::json::parse(runner_.provenance(fork))["exit"], "mine");
}

TEST_F(ProgramExit, ARuleThatThrowsLeavesTheTextAsItWas) {
  bool angry = true;
  api::Sequence text = runner_.start({.rule = program([&](const api::ExitStep&) -> std::string {
                                        if (angry) throw std::runtime_error("enough");
                                        return {};
                                      })});
  runner_.append(text, kPrompt);
  const std::int32_t next = 2;
  EXPECT_THROW(runner_.append(text, {&next, 1}), std::runtime_error);
  EXPECT_EQ(text.length(), 5);
  angry = false;
  api::Sequence other = runner_.start();
  runner_.append(other, kPrompt);
  EXPECT_EQ(runner_.append(text, {&next, 1}).logits, runner_.append(other, {&next, 1}).logits);
}

TEST_F(ProgramExit, MistakesAreNamed) {
  const auto never = [](const api::ExitStep&) { return ""; };
  const auto refuses = [&](const api::SequenceOptions& options, const std::string& why) {
    EXPECT_THAT([&] { static_cast<void>(runner_.start(options)); }, ThrowsMessage<Error>(HasSubstr(why)));
  };
  refuses({.rule = program(never, {.gate = true})}, "exit mine: this model has no exit gate");
  refuses({.rule = program(never, {.logits = "head"})}, "exit mine: logits are read by lens or coda, not by \"head\"");
  refuses({.exit = "fixed", .rule = program(never)}, "exit: there is a rule of the program's own");
  refuses({.rule = {"mine", [] { return nullptr; }}}, "exit mine: no rule was made");
}

}  // namespace
}  // namespace gyre::program_exit_test
