#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/file.hpp"
#include "cli/program.hpp"
#include "scratch_folder.hpp"

namespace gyre {
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

}  // namespace
}  // namespace gyre
