#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.hpp"
#include "cli/child_process.hpp"
#include "cli/program.hpp"
#include "model_folder.hpp"
#include "scratch_folder.hpp"

namespace gyre::ranks_test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

/// A port of the loopback interface that is free now.
int free_port() {
  const int file = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(file, reinterpret_cast<sockaddr*>(&address), size) != 0) return 0;
  ::getsockname(file, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(file);
  return ntohs(address.sin_port);
}

constexpr bool kHasGloo = GYRE_HAS_GLOO;

/// Ranks that are refused before any of them looks for another.
class RanksRefused : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path module = fs::path(GYRE_BINARY).parent_path() / "libgyre_train.so";
    if (!fs::exists(module)) GTEST_SKIP() << "built without training";
    std::ofstream text(scratch_ / "text.txt");
    for (int i = 0; i < 200; ++i) text << "the cat sees a dog " << i << " times. ";
  }

  /// A looped model that begins in noise and drops out: all that is drawn for rows.
  static json config(int batch) {
    json settings = json::parse(R"({
      "name": "tiny", "context": 16, "hidden_size": 16, "heads": 2, "ffn_size": 24,
      "groups": [{"name": "prelude"}, {"name": "loop", "loops": 2, "injection": "linear", "first_state": "noise"}],
      "training": {"steps": 6, "sequence": 16, "precision": "f32", "learning_rate": 0.01, "warmup": 1, "dropout": 0.1,
                   "evaluate_every": 3, "evaluate_windows": 5, "checkpoint_every": 3}
    })");
    settings["training"]["batch"] = batch;
    return settings;
  }

  fs::path write(const std::string& name, const json& settings) const {
    write_text_atomically(scratch_ / name, settings.dump());
    return scratch_ / name;
  }

  [[nodiscard]] std::vector<std::string> train(const fs::path& config, const std::string& out) const {
    return {"train", "--config", config, "--data", scratch_ / "text.txt", "--out", scratch_ / out, "--threads", "1"};
  }

  [[nodiscard]] static Environment of_rank(int rank, int port) {
    return {{"RANK", std::to_string(rank)},
            {"WORLD_SIZE", "2"},
            {"MASTER_ADDR", "127.0.0.1"},
            {"MASTER_PORT", std::to_string(port)},
            {"OMP_NUM_THREADS", "1"}};
  }

  ScratchFolder scratch_;
};

class SeveralRanks : public RanksRefused {
 protected:
  void SetUp() override {
    RanksRefused::SetUp();
    if (!kHasGloo) GTEST_SKIP() << "built without Gloo";
  }

  [[nodiscard]] fs::path log_of(int rank) const { return scratch_ / fmt::format("log-{}.txt", rank); }
  [[nodiscard]] std::string said(int rank) const { return read_text(log_of(rank)); }

  /// Starts both ranks, rank 1 with words of its own.
  void start(const std::vector<std::string>& first, const std::vector<std::string>& second) {
    const int port = free_port();
    for (const int rank : {0, 1}) {
      fs::remove(log_of(rank));
      ranks_[static_cast<std::size_t>(rank)] =
          std::make_unique<ChildProcess>(rank == 0 ? first : second, log_of(rank), of_rank(rank, port));
    }
  }
  /// The exit status of a rank, or minus the signal that ended it.
  int status(int rank) {
    const int status = ranks_[static_cast<std::size_t>(rank)]->wait();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  void expect_both_train(const std::vector<std::string>& words) {
    start(words, words);
    EXPECT_EQ(status(0), 0) << said(0);
    EXPECT_EQ(status(1), 0) << said(1);
    EXPECT_EQ(said(1), "");
  }

  [[nodiscard]] std::vector<json> rows(const std::string& out) const {
    std::vector<json> rows;
    std::ifstream lines(scratch_ / out / "metrics.jsonl");
    for (std::string line; std::getline(lines, line);) rows.push_back(json::parse(line));
    return rows;
  }

  /// The same losses, gradients and evaluations, to the last bits of sums in another order.
  void expect_same_run(const std::string& one, const std::string& two) const {
    const std::vector<json> a = rows(one);
    const std::vector<json> b = rows(two);
    ASSERT_EQ(a.size(), b.size());
    ASSERT_FALSE(a.empty());
    for (std::size_t i = 0; i < a.size(); ++i) {
      for (const char* const key : {"loss", "gradient_norm", "reward", "kl", "tokens", "surprise_nats"}) {
        if (!a[i].contains(key)) continue;
        const auto value = a[i][key].get<double>();
        EXPECT_NEAR(value, b[i][key].get<double>(), 1e-5 * std::max(1.0, value)) << key << ": " << a[i] << " " << b[i];
      }
      if (a[i].contains("validation") && a[i]["validation"].contains("default")) {
        EXPECT_NEAR(a[i]["validation"]["default"].get<double>(), b[i]["validation"]["default"].get<double>(), 1e-5);
      }
    }
  }

  /// Waits until the first rank has logged a step.
  void wait_for_a_step(const std::string& out) {
    for (int i = 0; i < 6000 && rows(out).empty() && ranks_[0]->running(); ++i) std::this_thread::sleep_for(10ms);
    ASSERT_FALSE(rows(out).empty()) << said(0) << said(1);
  }

  std::array<std::unique_ptr<ChildProcess>, 2> ranks_;
};

TEST_F(SeveralRanks, TrainAsOneProcessWithTheirRowsTogether) {
  const ProgramRun alone = run_gyre(train(write("one.json", config(4)), "one"), {{"OMP_NUM_THREADS", "1"}});
  ASSERT_EQ(alone.status, 0) << alone.err;
  const fs::path half = write("two.json", config(2));
  expect_both_train(train(half, "two"));
  expect_same_run("one", "two");
  EXPECT_FALSE(fs::exists(scratch_ / "two" / "rank-1"));

  // The run goes on from its checkpoint on one process, whose batch is that of both.
  fs::remove_all(scratch_ / "two" / "checkpoints" / "step-000006");
  fs::remove_all(scratch_ / "two" / "model");
  std::vector<std::string> words = train(scratch_ / "one.json", "two");
  words.emplace_back("--resume");
  const ProgramRun on = run_gyre(words, {{"OMP_NUM_THREADS", "1"}});
  ASSERT_EQ(on.status, 0) << on.err;
  EXPECT_THAT(on.err, HasSubstr("resuming from"));
  expect_same_run("one", "two");

  // And on two, of which the first alone reads it.
  fs::remove_all(scratch_ / "two" / "checkpoints" / "step-000006");
  fs::remove_all(scratch_ / "two" / "model");
  words = train(half, "two");
  words.emplace_back("--resume");
  expect_both_train(words);
  expect_same_run("one", "two");
}

TEST_F(SeveralRanks, OfAnswersCountTargetsOfAll) {
  std::string lines;
  for (int i = 0; i < 40; ++i) {
    lines += json{{"prompt", fmt::format("n{} ", i)}, {"answer", std::string(static_cast<std::size_t>(1 + i % 7), 'a')}}
                 .dump() +
             "\n";
  }
  write_text_atomically(scratch_ / "text.txt", lines);
  json settings = config(4);
  settings["training"]["layout"] = "answers";
  const ProgramRun alone = run_gyre(train(write("one.json", settings), "one"), {{"OMP_NUM_THREADS", "1"}});
  ASSERT_EQ(alone.status, 0) << alone.err;
  settings["training"]["batch"] = 2;
  expect_both_train(train(write("two.json", settings), "two"));
  expect_same_run("one", "two");
}

TEST_F(SeveralRanks, LearnAnAdapterAndByRewardsAsOneProcess) {
  ModelSpec spec = small_spec();
  const ModelFolder model(spec);
  json settings = {{"training", config(4)["training"]}, {"adapter", {{"rank", 2}, {"dropout", 0.1}}}};
  std::ofstream(scratch_ / "text.txt") << std::string(600, 'a') + std::string(600, 'b');
  const auto tuned = [&](const std::string& name, int batch) {
    settings["training"]["batch"] = batch;
    std::vector<std::string> words = train(write(name + ".json", settings), name);
    words.insert(words.end(), {"--from", model.path()});
    return words;
  };
  const ProgramRun alone = run_gyre(tuned("one", 4), {{"OMP_NUM_THREADS", "1"}});
  ASSERT_EQ(alone.status, 0) << alone.err;
  expect_both_train(tuned("two", 2));
  expect_same_run("one", "two");

  std::string lines;
  for (const char* const prompt : {"ab", "cd ef", "gh", "no", "kl", "hij"})
    lines += json{{"prompt", prompt}}.dump() + "\n";
  write_text_atomically(scratch_ / "prompts.jsonl", lines);
  const auto rewarded = [&](const std::string& name, int prompts) -> std::vector<std::string> {
    const json grpo = {{"grpo",
                        {{"steps", 3},
                         {"prompts", prompts},
                         {"completions", 4},
                         {"tokens", 5},
                         {"learning_rate", 0.02},
                         {"validation_share", 0.2},
                         {"evaluate_every", 3}}},
                       {"adapter", {{"rank", 2}}},
                       {"rewards", json::array({{{"kind", "form"}, {"patterns", json::array({"a"})}}})}};
    return {"grpo",
            "-m",
            model.path(),
            "--config",
            write(name + ".json", grpo),
            "--data",
            scratch_ / "prompts.jsonl",
            "--out",
            scratch_ / name,
            "--threads",
            "1"};
  };
  const ProgramRun learner = run_gyre(rewarded("one-grpo", 4), {{"OMP_NUM_THREADS", "1"}});
  ASSERT_EQ(learner.status, 0) << learner.err;
  expect_both_train(rewarded("two-grpo", 2));
  expect_same_run("one-grpo", "two-grpo");
}

TEST_F(SeveralRanks, OfOtherSettingsAreRefusedByName) {
  json settings = config(2);
  settings["training"]["weight_decay"] = 0.5;
  const fs::path first = write("two.json", settings);
  settings["training"]["weight_decay"] = 0.25;
  start(train(first, "out"), train(write("other.json", settings), "out"));
  EXPECT_EQ(status(0), 2);
  EXPECT_EQ(status(1), 2);
  EXPECT_THAT(said(1), AllOf(HasSubstr("rank 1 is of another run than rank 0"),
                             HasSubstr("training.weight_decay is 0.5 there and 0.25 here")));
  EXPECT_THAT(said(0), HasSubstr("a rank has other settings"));
  EXPECT_FALSE(fs::exists(scratch_ / "out"));
}

TEST_F(SeveralRanks, EndWhenOneIsKilledAndStopTogether) {
  json longer = config(2);
  longer["training"]["steps"] = 1'000'000;
  longer["training"]["evaluate_every"] = 1'000'000;
  longer["training"]["checkpoint_every"] = 1'000'000;
  const fs::path file = write("long.json", longer);
  start(train(file, "killed"), train(file, "killed"));
  wait_for_a_step("killed");
  ranks_[1]->signal(SIGKILL);
  EXPECT_EQ(status(1), -SIGKILL);
  EXPECT_EQ(status(0), 2);
  EXPECT_THAT(said(0), HasSubstr("gyre: rank 0 of 2: another rank has ended or does not answer"));

  start(train(file, "stopped"), train(file, "stopped"));
  wait_for_a_step("stopped");
  ranks_[1]->signal(SIGINT);
  EXPECT_EQ(status(1), 130) << said(1);
  EXPECT_EQ(status(0), 0) << said(0);
  EXPECT_THAT(said(0), HasSubstr("stopped at step"));
  EXPECT_FALSE(fs::is_empty(scratch_ / "stopped" / "checkpoints"));
}

TEST_F(RanksRefused, ForAWrongEnvironmentByName) {
  const std::vector<std::string> words = train(write("config.json", config(2)), "out");
  const auto expect = [&](const Environment& environment, const std::string& says) {
    const ProgramRun run = run_gyre(words, environment);
    EXPECT_EQ(run.status, 2) << says;
    EXPECT_THAT(run.err, HasSubstr(says));
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  };
  expect({{"RANK", "1"}}, "RANK is set, and WORLD_SIZE is not");
  expect({{"WORLD_SIZE", "two"}}, "WORLD_SIZE in the environment is \"two\"");
  expect({{"WORLD_SIZE", "0"}}, "WORLD_SIZE in the environment is \"0\"");
  expect({{"WORLD_SIZE", "2"}}, "RANK is not");
  expect({{"WORLD_SIZE", "2"}, {"RANK", "2"}}, "RANK in the environment is \"2\"");
  expect({{"WORLD_SIZE", "1"}, {"RANK", "1"}}, "RANK in the environment is \"1\"");
  expect({{"WORLD_SIZE", "2"}, {"RANK", "0"}}, "MASTER_ADDR is not");
  expect({{"WORLD_SIZE", "2"}, {"RANK", "0"}, {"MASTER_ADDR", "localhost"}}, "MASTER_PORT is not");
  expect({{"WORLD_SIZE", "2"}, {"RANK", "0"}, {"MASTER_ADDR", "localhost"}, {"MASTER_PORT", "70000"}},
         "MASTER_PORT in the environment is \"70000\"");
  expect({{"WORLD_SIZE", "2"},
          {"RANK", "0"},
          {"MASTER_ADDR", "localhost"},
          {"MASTER_PORT", "29500"},
          {"LOCAL_WORLD_SIZE", "3"}},
         "LOCAL_WORLD_SIZE in the environment is \"3\"");
  EXPECT_FALSE(fs::exists(scratch_ / "out"));
}

TEST_F(RanksRefused, WithoutGlooWithTheMend) {
  if (kHasGloo) GTEST_SKIP() << "built with Gloo";
  const ProgramRun run = run_gyre(train(write("config.json", config(2)), "out"), of_rank(0, 29500));
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.err, HasSubstr("libgloo-dev"));
  EXPECT_FALSE(fs::exists(scratch_ / "out"));
}

}  // namespace
}  // namespace gyre::ranks_test
