#include <gmock/gmock.h>

#include <cmath>

#include "base/file.hpp"
#include "format/json_object.hpp"
#include "format/safetensors.hpp"
#include "model/model.hpp"
#include "train/checkpoint.hpp"
#include "train/trainer_fixture.hpp"

namespace gyre::resume_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

/// A finished run of two steps, and what is asked for when it is resumed.
class Resume : public TrainerTest {
 protected:
  void SetUp() override {
    config_ = small_config();
    config_["training"]["steps"] = 2;
    train(request(config_, "out"));
    before_ = files();
  }

  TrainRequest resumed(const json& config) {
    TrainRequest asked = request(config, "out");
    asked.resume = true;
    return asked;
  }

  [[nodiscard]] fs::path out() const { return scratch_ / "out"; }
  [[nodiscard]] fs::path checkpoint() const { return out() / "checkpoints" / checkpoint_name(2); }

  /// Every file of the run by its path.
  [[nodiscard]] std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> content;
    for (const auto& entry : fs::recursive_directory_iterator(out())) {
      if (entry.is_regular_file()) content[entry.path().string()] = read_text(entry.path());
    }
    return content;
  }

  void expect_refused(const TrainRequest& asked, const std::string& says) {
    EXPECT_THAT(message_of(asked), AllOf(HasSubstr(out().string()), HasSubstr(says)));
    EXPECT_TRUE(files() == before_) << says << ": the run was changed";
  }

  /// The checkpoint as a program wrote it that did not keep the settings.
  void forget_settings() {
    write_text_atomically(checkpoint() / "training_state.json", R"({"step": 2})");
    before_ = files();
  }

  json config_;
  std::map<std::string, std::string> before_;
};

// None of these changes the shape of a tensor.
TEST_F(Resume, RefusesEveryKeyThatMakesItAnotherRun) {
  struct Edit {
    const char* key;
    json value;
    const char* says;
  };
  const Edit edits[] = {
      {"/heads", 4, "heads is 2 there and 4 here"},
      {"/groups/1/loops", 4, "groups[1].loops is 3 there and 4 here"},
      {"/groups/1/injection", "add", "groups[1].injection is absent there and \"add\" here"},
      {"/rotary_theta", 500, "rotary_theta is 10000.0 there and 500.0 here"},
      {"/position", "rotary_adjacent", "position is \"rotary_half\" there"},
      {"/norm_eps", 0.5, "norm_eps"},
      {"/embedding_scale", 2, "embedding_scale is 1.0 there and 2.0 here"},
      {"/context", 40, "context is 32 there and 40 here"},
      {"/training/seed", 2, "training.seed is 1 there and 2 here"},
      {"/training/learning_rate", 0.5, "training.learning_rate"},
      {"/training/batch", 3, "training.batch is 2 there and 3 here"},
      {"/training/sequence", 16, "training.sequence is 32 there and 16 here"},
      {"/training/validation_share", 0.25, "training.validation_share"},
      {"/training/schedule", "warmup_stable_decay", "training.schedule"},
      {"/training/warmup", 1, "training.warmup is 4 there and 1 here"},
      {"/training/weight_decay", 0, "training.weight_decay"},
      {"/training/clip", 0, "training.clip is 1.0 there and 0.0 here"},
      {"/training/beta2", 0.5, "training.beta2"},
      {"/training/precision", "bf16", "training.precision is \"f32\" there and \"bf16\" here"},
      {"/training/dropout", 0.5, "training.dropout is 0.0 there and 0.5 here"},
      {"/training/loop_sampling", "poisson_lognormal", "training.loop_sampling"},
      {"/training/backprop_loops", 1, "training.backprop_loops is 0 there and 1 here"},
      {"/training/vocabulary", "bytes", "training.vocabulary"},
  };
  for (const Edit& edit : edits) {
    json other = config_;
    other[json::json_pointer(edit.key)] = edit.value;
    expect_refused(resumed(other), edit.says);
  }
}

TEST_F(Resume, RefusesAnotherText) {
  TrainRequest asked = resumed(config_);
  asked.data = write("other.txt", small_text(399));
  expect_refused(asked, "data_sha256");
}

TEST_F(Resume, TakesTheSameTextFromAnotherPlace) {
  TrainRequest asked = resumed(config_);
  asked.data = write("copy.txt", small_text(400));
  EXPECT_TRUE(train(asked));
}

TEST_F(Resume, RefusesACheckpointWhoseTokenizerWasExchanged) {
  std::string text = read_text(checkpoint() / "tokenizer.json");
  text[text.find("\"a\"") + 1] = 'q';
  write_text_atomically(checkpoint() / "tokenizer.json", text);
  before_ = files();
  expect_refused(resumed(config_), "tokenizer_sha256");
}

TEST_F(Resume, GoesOnWithMoreStepsAndOtherMeasurements) {
  json more = config_;
  more["name"] = "renamed";
  more["training"].update({{"steps", 4},
                           {"evaluate_every", 1},
                           {"evaluate_windows", 2},
                           {"evaluate_loops", {"1"}},
                           {"checkpoint_every", 100},
                           {"checkpoint_at", {3}},
                           {"export_bf16", true}});
  TrainRequest asked = resumed(more);
  asked.threads = 2;
  ASSERT_TRUE(train(asked));
  EXPECT_TRUE(fs::exists(out() / "checkpoints" / checkpoint_name(3)));
  const json settings = read_state(out() / "checkpoints" / checkpoint_name(4)).settings;
  EXPECT_EQ(settings.at("training").at("steps"), 4);
  EXPECT_EQ(load_json(out() / "model" / "config.json").at("name"), "renamed");
  EXPECT_EQ(Model::load(out() / "model").stored_type(), "BF16");
  EXPECT_EQ(Model::load(out() / "checkpoints" / checkpoint_name(4)).stored_type(), "F32");
  const std::vector<json> rows = metrics(out(), 2);
  ASSERT_EQ(rows.size(), 4U);  // two steps, each with its evaluation
  EXPECT_EQ(rows[1].at("validation").size(), 2U);
}

TEST_F(Resume, RefusesFewerStepsThanTheCheckpointHas) {
  TrainRequest asked = resumed(config_);
  asked.steps = 1;
  expect_refused(asked, "beyond the 1 steps");
}

TEST_F(Resume, WithoutItsCheckpointsDoesNotOverwriteTheModel) {
  fs::remove_all(checkpoint());
  before_ = files();
  expect_refused(resumed(config_), "no checkpoint to go on from");
  expect_refused(request(config_, "out"), "no checkpoint to go on from");
}

TEST_F(Resume, OfAnOlderCheckpointComparesItsConfig) {
  forget_settings();
  json other = config_;
  other["heads"] = 4;
  expect_refused(resumed(other), "heads is 2 there and 4 here");
  other = config_;
  other["training"]["learning_rate"] = 0.5;
  expect_refused(resumed(other), "training.learning_rate");
  EXPECT_TRUE(train(resumed(config_)));
}

TEST_F(Resume, OfAnOlderCheckpointOfExamplesIsRefused) {
  json config = config_;
  config["training"]["layout"] = "answers";
  write("text.txt", "{\"prompt\":\"a\",\"answer\":\"b\"}\n{\"prompt\":\"c\",\"answer\":\"d\"}\n");
  fs::remove_all(out());
  train(request(config, "out"));
  forget_settings();
  expect_refused(resumed(config), "older program");
}

TEST_F(Resume, ReportsAStateThatIsNoState) {
  write_text_atomically(checkpoint() / "training_state.json", R"({"step": 2, "run": 5})");
  before_ = files();
  expect_refused(resumed(config_), "run");
}

// Weights grow a hundredfold a step: a loss, a gradient or a weight is soon beyond f32.
TEST_F(TrainerTest, ARunThatDivergesLeavesWholeCheckpointsOfEarlierSteps) {
  json config = small_config();
  config["training"].update({{"steps", 60},
                             {"warmup", 0},
                             {"learning_rate", 10},
                             {"weight_decay", 10},
                             {"checkpoint_every", 1},
                             {"evaluate_every", 1}});
  const TrainRequest asked = request(config, "out");
  const std::string message = message_of(asked);
  EXPECT_THAT(message, testing::AnyOf(HasSubstr("diverged at step "), HasSubstr("is not finite")));
  EXPECT_EQ(message.find('\n'), std::string::npos);
  const auto latest = latest_checkpoint(asked.out / "checkpoints");
  ASSERT_TRUE(latest);
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    const Safetensors kept(*latest / file);
    for (const auto& [name, stored] : kept.tensors()) {
      std::vector<float> values(static_cast<std::size_t>(stored.element_count()));
      widen(stored, values);
      for (const float value : values) ASSERT_TRUE(std::isfinite(value)) << name;
    }
  }
  EXPECT_FALSE(fs::exists(asked.out / "model"));
  // What was measured last was finite: the weights of the step that was not are never saved.
  const std::vector<json> rows = metrics(asked.out);
  EXPECT_TRUE(rows.back().contains("loss") || rows.back().at("validation").at("default").is_number()) << rows.back();
  EXPECT_THAT(message, HasSubstr("the loss is "));
}

}  // namespace
}  // namespace gyre::resume_test
