#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/error.hpp"
#include "scratch_folder.hpp"
#include "tune/line_process.hpp"
#include "tune/reward.hpp"

namespace gyre::command_reward_test {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<Reward> shell(const std::string& script, double timeout = 20) {
  const json options = {{"kind", "command"}, {"command", {"sh", "-c", script}}, {"timeout", timeout}};
  return parse_rewards(json::array({options}), "rewards", {});
}

std::vector<double> ask(const std::vector<Reward>& rewards, std::size_t count, const std::string& completion = "c") {
  return judge(rewards, std::vector<RewardItem>(count, RewardItem{"p", completion, 1, false, json::object()})).totals;
}

std::string refusal(const std::vector<Reward>& rewards, std::size_t count = 2) {
  try {
    ask(rewards, count);
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was refused";
}

bool has_no_child() { return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD; }

// The number goes on over batches: it is one process.
TEST(CommandReward, IsStartedOnceAndKept) {
  {
    const auto rewards = shell(R"(n=0; while read -r line; do n=$((n+1)); echo "{\"reward\": $n}"; done)");
    EXPECT_THAT(ask(rewards, 2), ElementsAre(1, 2));
    EXPECT_THAT(ask(rewards, 3), ElementsAre(3, 4, 5));
    EXPECT_TRUE(ask(rewards, 0).empty());
  }
  EXPECT_TRUE(has_no_child());
}

TEST(CommandReward, SeesAllThereIsOfAnItem) {
  const ScratchFolder scratch;
  const auto rewards =
      shell(fmt::format(R"(while read -r line; do printf '%s\n' "$line" >> {}; echo '{{"reward": -0.5}}'; done)",
                        (scratch / "seen").string()));
  const std::vector<RewardItem> items = {{"p\n", "\xFF", 3, true, {{"reference", "r"}}}};
  EXPECT_THAT(judge(rewards, items).totals, ElementsAre(-0.5));
  std::ifstream file(scratch / "seen");
  std::string line;
  std::getline(file, line);
  EXPECT_EQ(json::parse(line), (json{{"prompt", "p\n"},
                                     {"completion", "\uFFFD"},
                                     {"tokens", 3},
                                     {"truncated", true},
                                     {"columns", {{"reference", "r"}}}}));
}

// More than pipes hold goes both ways at a time.
TEST(CommandReward, NeverWaitsForAProgramThatWaitsForIt) {
  const auto rewards = shell(R"(while read -r line; do printf '%1000s' ''; echo '{"reward": 1}'; done)");
  EXPECT_EQ(ask(rewards, 500, std::string(2000, 'x')).size(), 500U);
}

TEST(CommandReward, ThatFailsIsRefusedNamingItemAndProgram) {
  EXPECT_THAT(refusal(shell(R"(read -r line; echo '{"reward": 1}'; exit 3)")),
              AllOf(HasSubstr("sh -c"), HasSubstr("ended with status 3, before it answered item 1")));
  EXPECT_THAT(refusal(shell("kill -9 $$")), HasSubstr("ended by signal 9, before it answered item 0"));
  EXPECT_THAT(refusal(shell(R"(read -r line; echo '{"reward": 1}'; sleep 100)", 0.2)),
              HasSubstr("no answer to item 1 of the batch within 0.2 s"));
  for (const char* answer : {"nonsense", R"({"reward": NaN})", R"({"reward": null})", R"({"reward": 1e999})", "7",
                             R"({"rewards": 1})", R"({"reward": 1, "more": 2})", ""}) {
    EXPECT_THAT(refusal(shell(fmt::format("while read -r line; do echo '{}'; done", answer))),
                AllOf(HasSubstr("sh -c"), HasSubstr("item 0 of the batch was answered by")))
        << answer;
  }
  EXPECT_THAT(refusal(shell(R"(read -r line; printf '{"reward": 1}\n{"reward": 1}\n'; sleep 100)"), 1),
              HasSubstr("more than a line an item"));
  EXPECT_TRUE(has_no_child());
}

TEST(CommandReward, StartsAnewBehindAFailure) {
  const ScratchFolder scratch;
  const auto rewards = shell(
      fmt::format(R"([ -e {0} ] || {{ touch {0}; exit 1; }}; while read -r line; do echo '{{"reward": 2}}'; done)",
                  (scratch / "once").string()));
  EXPECT_THAT(refusal(rewards), HasSubstr("status 1"));
  EXPECT_THAT(ask(rewards, 1), ElementsAre(2));
}

TEST(CommandReward, ThatCannotBeStartedIsRefused) {
  const json missing = {{"kind", "command"}, {"command", {"/no/such/program"}}};
  EXPECT_THAT(refusal(parse_rewards(json::array({missing}), "rewards", {})),
              HasSubstr("/no/such/program: cannot be started: No such file"));
  for (const json& command : {json::array(), json::array({""}), json::array({1}), json("sh")}) {
    const json options = {{"kind", "command"}, {"command", command}};
    EXPECT_THROW(parse_rewards(json::array({options}), "rewards", {}), Error) << command;
  }
}

// A shell that has started a program of its own, which holds its output open.
TEST(LineProcess, TakesWhatItStartedWithIt) {
  const ScratchFolder scratch;
  const std::string file = (scratch / "id").string();
  pid_t started = 0;
  {
    LineProcess process(
        {"sh", "-c", fmt::format("sleep 1000 & echo $! > {}; while read -r line; do echo x; done", file)});
    const std::vector<std::string> lines = {"a"};
    process.ask(lines, std::chrono::seconds(20), [](std::size_t, std::string_view) {});
    std::ifstream(file) >> started;
    ASSERT_GT(started, 0);
    ASSERT_EQ(::kill(started, 0), 0);
  }
  // It is nobody's child any more; whoever takes those over may leave it a zombie.
  std::string state = "gone";
  for (int tries = 0; tries < 500; ++tries) {
    std::ifstream stat(fmt::format("/proc/{}/stat", started));
    std::string skipped;
    state = "gone";
    if (stat >> skipped >> skipped >> state && state != "Z") {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      continue;
    }
    break;
  }
  EXPECT_THAT(state, testing::AnyOf("gone", "Z"));
}

}  // namespace
}  // namespace gyre::command_reward_test
