#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/file.hpp"
#include "cli/program.hpp"
#include "scratch_folder.hpp"

namespace gyre::train_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

class TrainCommand : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path module = fs::path(GYRE_BINARY).parent_path() / "libgyre_train.so";
    if (!fs::exists(module)) GTEST_SKIP() << "built without training";
    std::ofstream text(scratch_ / "text.txt");
    for (int i = 0; i < 60; ++i) text << "the cat sees a dog " << i << " times. ";
  }

  [[nodiscard]] static json config() {
    return json::parse(R"({
      "name": "tiny", "context": 16, "hidden_size": 16, "heads": 2, "ffn_size": 24,
      "groups": [{"name": "prelude"}, {"name": "loop", "loops": 2, "injection": "linear"}],
      "training": {"steps": 4, "batch": 1, "sequence": 16, "precision": "f32", "warmup": 1, "evaluate_every": 2,
                   "checkpoint_every": 2}
    })");
  }

  ProgramRun train(const json& config, std::vector<std::string> flags = {}) const {
    write_text_atomically(scratch_ / "config.json", config.dump());
    std::vector<std::string> words = {
        "train",     "--config", scratch_ / "config.json", "--data", scratch_ / "text.txt", "--out", scratch_ / "out",
        "--threads", "1"};
    words.insert(words.end(), flags.begin(), flags.end());
    return run_gyre(words, {{"OMP_NUM_THREADS", "1"}});
  }

  static void expect_mistake(const ProgramRun& run, const std::string& says) {
    EXPECT_EQ(run.status, 2) << run.err;
    EXPECT_THAT(run.out, IsEmpty());
    EXPECT_THAT(run.err, AllOf(HasSubstr("gyre: "), HasSubstr(says)));
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  }

  ScratchFolder scratch_;
};

TEST_F(TrainCommand, ResumedWithOtherHeadsIsRefusedAndLeavesTheModel) {
  ASSERT_EQ(train(config()).status, 0);
  const std::string model = read_text(scratch_ / "out" / "model" / "model.safetensors");
  const std::string described = read_text(scratch_ / "out" / "model" / "config.json");
  json other = config();
  other["heads"] = 4;
  expect_mistake(train(other, {"--resume"}), "heads is 2 there and 4 here");
  EXPECT_TRUE(read_text(scratch_ / "out" / "model" / "model.safetensors") == model);
  EXPECT_EQ(read_text(scratch_ / "out" / "model" / "config.json"), described);
}

TEST_F(TrainCommand, DoesNotBeginInAFolderThatHoldsARunOrAModel) {
  ASSERT_EQ(train(config()).status, 0);
  expect_mistake(train(config()), "resume it");
  fs::remove_all(scratch_ / "out" / "checkpoints");
  expect_mistake(train(config()), "no checkpoint to go on from");
  expect_mistake(train(config(), {"--resume"}), "no checkpoint to go on from");
}

TEST_F(TrainCommand, PrintsItsRowsAndItsResultAsJsonLines) {
  const ProgramRun run = train(config(), {"--json"});
  ASSERT_EQ(run.status, 0) << run.err;
  std::vector<json> rows;
  std::istringstream lines(run.out);
  for (std::string line; std::getline(lines, line);) rows.push_back(json::parse(line));
  ASSERT_EQ(rows.size(), 7U);  // four steps, two evaluations, the result
  EXPECT_EQ(rows[0].at("step"), 1);
  EXPECT_TRUE(rows[2].contains("validation"));
  EXPECT_EQ(rows[6].at("result").at("model"), (scratch_ / "out" / "model").string());
  EXPECT_EQ(rows[6].at("result").at("steps"), 4);
  rows.pop_back();
  std::vector<json> logged;
  std::ifstream file(scratch_ / "out" / "metrics.jsonl");
  for (std::string line; std::getline(file, line);) logged.push_back(json::parse(line));
  EXPECT_EQ(rows, logged);
}

TEST_F(TrainCommand, PrintsNothingOnStandardOutputOtherwise) { EXPECT_THAT(train(config()).out, IsEmpty()); }

TEST_F(TrainCommand, RefusesStepsAndThreadsThatAreNoCount) {
  for (const std::string flag : {"--steps", "--threads"}) {
    for (const std::string value : {"0", "-1", "nan", "1.5", "99999999999"}) {
      const ProgramRun run = train(config(), {flag, value});
      EXPECT_EQ(run.status, 2) << flag << " " << value;
      EXPECT_THAT(run.err, HasSubstr(flag)) << value;
    }
  }
  EXPECT_FALSE(fs::exists(scratch_ / "out"));
}

/// Runs that change a small model that `train` made.
class TuneCommands : public TrainCommand {
 protected:
  void SetUp() override {
    TrainCommand::SetUp();
    if (IsSkipped()) return;
    ASSERT_EQ(train(config()).status, 0);
    write_text_atomically(scratch_ / "prompts.jsonl",
                          "{\"prompt\": \"the cat\"}\n{\"prompt\": \"a dog\"}\n{\"prompt\": \"sees\"}\n");
  }

  [[nodiscard]] std::string model() const { return scratch_ / "out" / "model"; }
  ProgramRun with_config(std::vector<std::string> words, const json& config) const {
    write_text_atomically(scratch_ / "tune.json", config.dump());
    words.insert(words.end(), {"--config", scratch_ / "tune.json", "--threads", "1"});
    return run_gyre(words, {{"OMP_NUM_THREADS", "1"}});
  }
  ProgramRun tuned(const json& adapter, const std::string& out) const {
    const json settings = {
        {"training",
         {{"steps", 2}, {"batch", 1}, {"sequence", 16}, {"precision", "f32"}, {"warmup", 0}, {"learning_rate", 0.05}}},
        {"adapter", adapter}};
    return with_config({"train", "--from", model(), "--data", scratch_ / "text.txt", "--out", scratch_ / out},
                       settings);
  }
  [[nodiscard]] double loss(const std::string& of, std::vector<std::string> flags = {}) const {
    flags.insert(flags.begin(), {"eval", "-m", of, "--text", scratch_ / "text.txt", "--max-tokens", "64", "--json"});
    const ProgramRun run = run_gyre(flags);
    EXPECT_EQ(run.status, 0) << run.err;
    return run.status == 0 ? json::parse(run.out)["rows"][0]["cross_entropy_nats_per_token"].get<double>() : 0;
  }
  static json grpo_config() {
    return {{"grpo", {{"steps", 2}, {"prompts", 1}, {"completions", 2}, {"tokens", 2}, {"completions_every", 1}}},
            {"adapter", {{"rank", 2}}},
            {"rewards", json::array({{{"kind", "form"}, {"patterns", json::array({"e"})}}})}};
  }
  ProgramRun grpo(const json& config, std::vector<std::string> flags = {}) const {
    flags.insert(flags.begin(),
                 {"grpo", "-m", model(), "--data", scratch_ / "prompts.jsonl", "--out", scratch_ / "policy"});
    return with_config(flags, config);
  }
};

TEST_F(TuneCommands, AnAdapterIsTrainedRunBesideTheModelAndMerged) {
  const ProgramRun run = tuned({{"rank", 2}}, "tuned");
  ASSERT_EQ(run.status, 0) << run.err;
  const std::string adapter = scratch_ / "tuned" / "adapter";
  const double beside = loss(model(), {"--adapter", adapter});
  EXPECT_GT(std::abs(beside - loss(model())), 1e-4);
  const std::string merged = scratch_ / "merged";
  ASSERT_EQ(run_gyre({"convert", "-m", model(), "--adapter", adapter, "--out", merged, "--type", "f32"}).status, 0);
  EXPECT_NEAR(loss(merged), beside, 1e-4);
  const ProgramRun text =
      run_gyre({"generate", "-m", model(), "--adapter", adapter, "-p", "the cat", "-n", "4", "--json"});
  ASSERT_EQ(text.status, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr(adapter));
}

TEST_F(TuneCommands, AdaptersThatDoNotFitAreRefused) {
  ASSERT_EQ(tuned({{"rank", 2}, {"per_loop", true}}, "tuned").status, 0);
  const std::string adapter = scratch_ / "tuned" / "adapter";
  expect_mistake(run_gyre({"convert", "-m", model(), "--adapter", adapter, "--out", scratch_ / "merged"}),
                 "a set for each loop");
  EXPECT_FALSE(fs::exists(scratch_ / "merged"));
  expect_mistake(run_gyre({"generate", "-m", model(), "--adapter", model(), "-p", "a"}), "no adapter_config.json");
  const std::string shipped = std::string(GYRE_TEST_DIR) + "/../models/arithmetic";
  expect_mistake(run_gyre({"generate", "-m", shipped, "--adapter", adapter, "-p", "1"}), "the adapter is of weights");
  expect_mistake(tuned({{"targets", json::array({"nope"})}}, "other"), "\"nope\"");
  EXPECT_FALSE(fs::exists(scratch_ / "other"));
}

TEST_F(TuneCommands, GrpoPrintsItsRowsAndGoesOn) {
  const ProgramRun run = grpo(grpo_config(), {"--json"});
  ASSERT_EQ(run.status, 0) << run.err;
  std::vector<json> rows;
  std::istringstream lines(run.out);
  for (std::string line; std::getline(lines, line);) rows.push_back(json::parse(line));
  ASSERT_EQ(rows.size(), 5U);  // held out, two steps, held out, the result
  EXPECT_TRUE(rows[0].contains("validation"));
  EXPECT_TRUE(rows[1].contains("log_p_mismatch"));
  EXPECT_EQ(rows[4].at("result").at("out"), (scratch_ / "policy" / "adapter").string());
  expect_mistake(grpo(grpo_config()), "resume it");
  EXPECT_EQ(grpo(grpo_config(), {"--resume", "--steps", "3"}).status, 0);
  json other = grpo_config();
  other["grpo"]["temperature"] = 0.5;
  expect_mistake(grpo(other, {"--resume", "--steps", "3"}), "grpo.temperature is 1.0 there and 0.5 here");
}

TEST_F(TuneCommands, GrpoTellsMistakesBeforeItWrites) {
  const auto rewarded = [](const json& reward) {
    json config = grpo_config();
    config["rewards"] = json::array({reward});
    return config;
  };
  expect_mistake(grpo(rewarded({{"kind", "rouge"}})), ": no text under \"reference\"");
  expect_mistake(grpo(rewarded({{"kind", "semantic"}})), "needs an encoder");
  json unread = rewarded({{"kind", "rouge"}});
  unread["encoder"] = "anywhere";
  expect_mistake(grpo(unread), "no reward of kind \"semantic\"");
  const json hangs = {{"kind", "command"}, {"command", json::array({"sleep", "100"})}, {"timeout", 0.2}};
  expect_mistake(grpo(rewarded(hangs)), "no answer to item 0");
  const std::pair<json, std::string> changes[] = {{{{"exit", "nonsense"}}, "there is no rule \"nonsense\""},
                                                  {{{"loops", "1/2/3"}}, "grpo.loops"},
                                                  {{{"loop_credit", "exit"}}, "has no exit gate"},
                                                  {{{"tokens", 15}}, "do not fit the context of 16"}};
  for (const auto& [change, says] : changes) {
    json config = grpo_config();
    config["grpo"].update(change);
    expect_mistake(grpo(config), says);
  }
  EXPECT_FALSE(fs::exists(scratch_ / "policy"));
}

TEST_F(TuneCommands, TeachThemselvesByExample) {
  for (const char* const command : {"train", "grpo"}) {
    const ProgramRun run = run_gyre({command, "--help"});
    EXPECT_EQ(run.status, 0);
    EXPECT_THAT(run.out, AllOf(HasSubstr("Examples:"), HasSubstr(std::string("gyre ") + command)));
  }
}

// The case as it was filed, where it lies beside the project.
TEST_F(TrainCommand, RefusesTheFiledCaseOfOtherHeads) {
  const fs::path filed = fs::path(GYRE_TEST_DIR).parent_path().parent_path() / "shared/cases/train-resume-other-heads";
  if (!fs::exists(filed)) GTEST_SKIP() << "no " << filed.string();
  const auto run = [&](const std::string& name, std::vector<std::string> flags) {
    std::vector<std::string> words = {"train", "--config",       filed / name, "--data", filed / "data.txt",
                                      "--out", scratch_ / "out", "--threads",  "1",      "--steps",
                                      "6"};
    words.insert(words.end(), flags.begin(), flags.end());
    return run_gyre(words, {{"OMP_NUM_THREADS", "1"}});
  };
  ASSERT_EQ(run("config.json", {}).status, 0);
  expect_mistake(run("edited.json", {"--resume"}), "heads is 2 there and 4 here");
}

TEST_F(TrainCommand, RefusesADeviceByNameBeforeItWrites) {
  expect_mistake(train(config(), {"--device", "gpu"}), "--device gpu: give cpu, cuda or cuda:N");
  expect_mistake(train(config(), {"--device", "cuda:63"}), "--device cuda:63: this ");
  EXPECT_FALSE(fs::exists(scratch_ / "out"));
}

}  // namespace
}  // namespace gyre::train_test
