#include "train/trainer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "model/model.hpp"
#include "train/checkpoint.hpp"
#include "train/trainer_fixture.hpp"

namespace gyre::trainer_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

class Trainer : public TrainerTest {
 protected:
  /// Trains 20 steps in one go, and again from the checkpoint of step 10: both must be the same to the last bit.
  void expect_exact_resume(const json& config) {
    TrainRequest whole = request(config, "whole");
    ASSERT_TRUE(train(whole));
    TrainRequest resumed = request(config, "resumed");
    resumed.resume = true;
    fs::create_directories(resumed.out / "checkpoints");
    fs::copy(whole.out / "checkpoints" / checkpoint_name(10), resumed.out / "checkpoints" / checkpoint_name(10),
             fs::copy_options::recursive);
    ASSERT_TRUE(train(resumed));
    const std::vector<json> rows = metrics(resumed.out);
    ASSERT_EQ(rows.size(), 11U);  // ten steps and one evaluation
    EXPECT_EQ(rows, metrics(whole.out, 10));
    for (const std::string file : {"model/model.safetensors", "checkpoints/step-000020/optimizer.safetensors"}) {
      EXPECT_TRUE(read_text(whole.out / file) == read_text(resumed.out / file)) << file;
    }
  }
};

TEST_F(Trainer, LossFallsAndTheModelLoads) {
  json config = small_config();
  config["training"]["steps"] = 60;
  const TrainRequest one = request(config, "out");
  ASSERT_TRUE(train(one));
  double first = 0;
  double last = 0;
  double first_validation = 0;
  double last_validation = 0;
  for (const json& row : metrics(one.out)) {
    const int step = row.at("step");
    if (row.contains("validation")) {
      last_validation = row["validation"]["default"];
      if (step == 10) first_validation = last_validation;
    } else {
      if (step <= 5) first += row.at("loss").get<double>() / 5;
      if (step > 55) last += row.at("loss").get<double>() / 5;
    }
  }
  EXPECT_LT(last, first - 0.5);
  EXPECT_LT(last_validation, first_validation);
  EXPECT_EQ(Model::load(one.out / "model").spec().groups.size(), 2U);
}

TEST_F(Trainer, LearnsTheAnswersLayout) {
  json config = small_config();
  config["training"].update({{"layout", "answers"}, {"steps", 60}, {"batch", 8}});
  std::string lines;
  for (int i = 0; i < 100; ++i) {
    const bool even = i % 2 == 0;
    lines += json{{"prompt", (even ? "even " : "odd ") + std::to_string(i) + "?"}, {"answer", even ? "a" : "b"}}.dump();
    lines += "\n";
  }
  TrainRequest one = request(config, "out");
  one.data = write("examples.jsonl", lines);
  ASSERT_TRUE(train(one));
  EXPECT_LT(metrics(one.out).back()["validation"]["default"].get<double>(), 0.5);  // a guess costs 0.69
}

TEST_F(Trainer, ResumesToTheLastBit) { expect_exact_resume(small_config()); }

TEST_F(Trainer, ResumesToTheLastBitWithDropoutSampledLoopsAndNoise) {
  json config = small_config();
  config["groups"][1].update({{"injection", "linear"}, {"first_state", "noise"}});
  config["training"].update(
      {{"dropout", 0.2}, {"loop_sampling", "poisson_lognormal"}, {"backprop_loops", 2}, {"seed", 9}});
  expect_exact_resume(config);
}

TEST_F(Trainer, ResumesToTheLastBitInBf16WithAnotherSchedule) {
  json config = small_config();
  config["training"].update({{"precision", "bf16"}, {"schedule", "warmup_stable_decay"}, {"decay_share", 0.7}});
  expect_exact_resume(config);
}

TEST_F(Trainer, ResumingDropsTheMetricsOfStepsThatAreRepeated) {
  const json config = small_config();
  TrainRequest one = request(config, "out");
  ASSERT_TRUE(train(one));
  const std::vector<json> before = metrics(one.out);
  fs::remove_all(one.out / "checkpoints" / checkpoint_name(20));
  std::ofstream(one.out / "metrics.jsonl", std::ios::app) << R"({"step":21,"lo)";  // as a kill leaves it
  one.resume = true;
  ASSERT_TRUE(train(one));
  EXPECT_EQ(metrics(one.out), before);
}

TEST_F(Trainer, ResumingAFinishedRunChangesNothing) {
  TrainRequest one = request(small_config(), "out");
  ASSERT_TRUE(train(one));
  const std::string before = read_text(one.out / "model/model.safetensors");
  one.resume = true;
  ASSERT_TRUE(train(one));
  EXPECT_TRUE(read_text(one.out / "model/model.safetensors") == before);
  EXPECT_EQ(metrics(one.out).size(), 22U);
}

// Each is as large as a checkpoint, and the process that could finish it is gone.
TEST_F(Trainer, ResumingRemovesWhatAKilledRunLeftUnfinished) {
  TrainRequest one = request(small_config(), "out");
  one.steps = 2;
  ASSERT_TRUE(train(one));
  const fs::path partial = one.out / "checkpoints" / ".step-000003.partial-4194305";  // above any process id
  fs::create_directories(partial);
  std::ofstream(partial / "model.safetensors") << "half";
  one.resume = true;
  one.steps = 4;
  ASSERT_TRUE(train(one));
  EXPECT_FALSE(fs::exists(partial));
}

TEST_F(Trainer, StepsOfTheRequestOverrideTheConfig) {
  TrainRequest one = request(small_config(), "out");
  one.steps = 3;
  ASSERT_TRUE(train(one));
  const std::vector<json> rows = metrics(one.out);
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows.back().at("step"), 3);
  EXPECT_TRUE(rows.back().contains("validation"));
}

TEST_F(Trainer, RefusesAFolderThatHoldsARun) {
  TrainRequest one = request(small_config(), "out");
  one.steps = 1;
  ASSERT_TRUE(train(one));
  const std::string before = read_text(one.out / "metrics.jsonl");
  EXPECT_THAT(message_of(one), AllOf(HasSubstr(one.out.string()), HasSubstr("resume it")));
  EXPECT_EQ(read_text(one.out / "metrics.jsonl"), before);
}

TEST_F(Trainer, RefusesAnOutThatIsAFile) {
  TrainRequest one = request(small_config(), "out");
  write("out", "something of the user's");
  EXPECT_THAT(message_of(one), AllOf(HasSubstr("another folder"), HasSubstr(one.out.string())));
  EXPECT_EQ(read_text(one.out), "something of the user's");
}

TEST_F(Trainer, RefusesToResumeWithAnotherModel) {
  TrainRequest one = request(small_config(), "out");
  one.steps = 1;
  ASSERT_TRUE(train(one));
  json other = small_config();
  other["ffn_size"] = 40;
  TrainRequest two = request(other, "out");
  two.resume = true;
  EXPECT_THAT(message_of(two), AllOf(HasSubstr("step-000001"), HasSubstr("ffn_size is 24 there and 40 here")));
}

struct Mistake {
  const char* key;
  json value;
  const char* named;  ///< what the message must name besides the file
};

TEST_F(Trainer, NamesFileAndKeyOfAMistakeInTheConfig) {
  const Mistake mistakes[] = {
      {"/training/learning_rates", 0.1, "learning_rates"},
      {"/training/schedule", "linear", "schedule"},
      {"/training/schedule", 3, "schedule"},
      {"/training/steps", 0, "steps"},
      {"/training/steps", 2.5, "steps"},
      {"/training/dropout", 1.5, "dropout"},
      {"/training/learning_rate", "fast", "learning_rate"},
      {"/training/evaluate_loops", json::array({2.5}), "evaluate_loops"},
      {"/training/evaluate_loops", json::array({"0"}), "evaluate_loops"},
      {"/training/checkpoint_at", json::array({"ten"}), "checkpoint_at"},
      {"/training/sequence", 33, "sequence"},
      {"/training", 7, "training"},
      {"/vocab_size", 3, "vocab_size"},
      {"/vocab_size", -1, "vocab_size"},
      {"/kv_heads", 3, "kv_heads"},
      {"/groups", json::array(), "groups"},
      {"/groups/1/first_state", "zero", "first_state"},
      {"/hidden", 16, "hidden"},
  };
  for (const Mistake& mistake : mistakes) {
    json config = small_config();
    config[json::json_pointer(mistake.key)] = mistake.value;
    const TrainRequest one = request(config, "out");
    EXPECT_THAT(message_of(one), AllOf(HasSubstr(one.config.string()), HasSubstr(mistake.named)));
  }
}

// A group that starts from noise and gets nothing injected never sees its input, as with a first state of zero.
TEST_F(Trainer, RefusesNoiseWithoutInjection) {
  json config = small_config();
  config["groups"][1]["first_state"] = "noise";
  const TrainRequest one = request(config, "out");
  EXPECT_THAT(message_of(one), AllOf(HasSubstr(one.config.string()), HasSubstr("groups[1]: first_state")));
}

TEST_F(Trainer, ReportsAConfigThatIsMissingOrNotJson) {
  TrainRequest one = request(small_config(), "out");
  one.config = scratch_ / "nowhere.json";
  EXPECT_THAT(message_of(one), HasSubstr("nowhere.json"));
  one.config = write("broken.json", "{\"name\": ");
  EXPECT_THAT(message_of(one), AllOf(HasSubstr("broken.json"), HasSubstr("JSON")));
}

TEST_F(Trainer, ReportsATextShorterThanAWindow) {
  TrainRequest one = request(small_config(), "out");
  one.data = write("short.txt", small_text(2));
  EXPECT_THAT(message_of(one), AllOf(HasSubstr("the data"), HasSubstr("training.sequence (32)")));
}

TEST_F(Trainer, ReportsATextThatIsMissingOrEmpty) {
  TrainRequest one = request(small_config(), "out");
  one.data = scratch_ / "nowhere.txt";
  EXPECT_THAT(message_of(one), HasSubstr("nowhere.txt"));
  one.data = write("empty.txt", "");
  EXPECT_THAT(message_of(one), HasSubstr("empty.txt"));
}

TEST_F(Trainer, ReportsATextThatIsNotUtf8ByItsFileOrFlag) {
  TrainRequest one = request(small_config(), "out");
  one.data = write("latin1.txt", small_text(400) + "caf\xe9 " + small_text(10));
  const std::string message = message_of(one);
  EXPECT_THAT(message, HasSubstr("UTF-8"));
  EXPECT_THAT(message, testing::AnyOf(HasSubstr("latin1.txt"), HasSubstr("the data")));
}

TEST_F(Trainer, ReportsAnExampleWithoutItsAnswerByFileAndLine) {
  json config = small_config();
  config["training"]["layout"] = "answers";
  TrainRequest one = request(config, "out");
  one.data = write("examples.jsonl", "{\"prompt\":\"1+1=\",\"answer\":\"2\"}\n{\"prompt\":\"2+2=\"}\n");
  EXPECT_THAT(message_of(one), AllOf(HasSubstr("examples.jsonl"), HasSubstr("line 2"), HasSubstr("answer")));
}

}  // namespace
}  // namespace gyre::trainer_test
