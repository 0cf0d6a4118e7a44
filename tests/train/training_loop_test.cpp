#include "train/training_loop.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "scratch_folder.hpp"

namespace gyre::training_loop_test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

/// Writes down what the loop asks of it.
class Recorder : public TrainingTask {
 public:
  nlohmann::json one_step(int step) override {
    require_finite_loss(step == diverges_at ? std::nan("") : 1.0, step);
    calls.push_back("step " + std::to_string(step));
    return {{"step", step}, {"loss", 1.0}, {"tokens", 4}};
  }
  void evaluate(int step, Progress& /*progress*/, MetricsLog& /*log*/) override {
    calls.push_back("evaluate " + std::to_string(step));
  }
  void save_checkpoint(int step) override { calls.push_back("save " + std::to_string(step)); }

  std::vector<std::string> calls;
  int diverges_at = 0;
};

class Loop : public testing::Test {
 protected:
  int run(TrainingLoop loop, int step, Recorder& recorder) {
    MetricsLog log(scratch_ / "metrics.jsonl", step > 0, step);
    return run_training(loop, step, log, recorder);
  }

  ScratchFolder scratch_;
};

// A checkpoint comes behind the evaluation of its step, which must have met the weights it keeps.
TEST_F(Loop, EvaluatesAndSavesWhenDueAndBehindTheLastStep) {
  Recorder recorder;
  EXPECT_EQ(run({"train", 7, 2, 3, {5}}, 0, recorder), 7);
  EXPECT_THAT(recorder.calls,
              ElementsAre("step 1", "step 2", "evaluate 2", "step 3", "save 3", "step 4", "evaluate 4", "step 5",
                          "save 5", "step 6", "evaluate 6", "save 6", "step 7", "evaluate 7", "save 7"));
}

TEST_F(Loop, EndsWithACheckpointBehindTheStepAtWhichAStopIsRequested) {
  struct Interrupted : Recorder {
    nlohmann::json one_step(int step) override {
      flag = step == 2;
      return Recorder::one_step(step);
    }
    std::atomic<bool> flag = false;
  } recorder;
  TrainingLoop loop{"train", 7, 10, 10, {}};
  loop.stop = Stop(recorder.flag);
  EXPECT_EQ(run(loop, 0, recorder), 2);
  EXPECT_THAT(recorder.calls, ElementsAre("step 1", "step 2", "save 2"));
}

TEST_F(Loop, GoesOnBehindTheStepItIsGiven) {
  Recorder recorder;
  EXPECT_EQ(run({"train", 4, 10, 10, {}}, 2, recorder), 4);
  EXPECT_THAT(recorder.calls, ElementsAre("step 3", "step 4", "evaluate 4", "save 4"));
}

TEST_F(Loop, OfAFinishedRunDoesNothing) {
  Recorder recorder;
  EXPECT_EQ(run({"train", 4, 1, 1, {}}, 4, recorder), 4);
  EXPECT_TRUE(recorder.calls.empty());
}

TEST_F(Loop, StopsAtALossThatIsNotFiniteAndSavesNothingOfIt) {
  Recorder recorder;
  recorder.diverges_at = 4;
  try {
    run({"train", 9, 100, 3, {4}}, 0, recorder);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("step 4"), HasSubstr("the loss is nan")));
  }
  EXPECT_THAT(recorder.calls, ElementsAre("step 1", "step 2", "step 3", "save 3"));
}

TEST_F(Loop, LogsEachStepWithTheSpeedInPlaceOfTheCount) {
  Recorder recorder;
  run({"train", 1, 1, 1, {}}, 0, recorder);
  const nlohmann::json row = nlohmann::json::parse(read_text(scratch_ / "metrics.jsonl"));
  EXPECT_EQ(row.at("step"), 1);
  EXPECT_FALSE(row.contains("tokens"));
  EXPECT_TRUE(row.at("tokens_per_second").is_number());
}

TEST_F(Loop, ALogThatGoesOnKeepsTheRowsUpToItsStep) {
  write_text_atomically(scratch_ / "metrics.jsonl", "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n{\"st");
  { const MetricsLog log(scratch_ / "metrics.jsonl", true, 2); }
  EXPECT_EQ(read_text(scratch_ / "metrics.jsonl"), "{\"step\":1}\n{\"step\":2}\n");
  { const MetricsLog log(scratch_ / "metrics.jsonl", false, 2); }
  EXPECT_EQ(read_text(scratch_ / "metrics.jsonl"), "");
}

TEST(FiniteLoss, IsAskedFor) {
  EXPECT_NO_THROW(require_finite_loss(0, 1));
  EXPECT_NO_THROW(require_finite_loss(-1e300, 1));
  for (const double loss :
       {std::nan(""), std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()}) {
    EXPECT_THROW(require_finite_loss(loss, 1), Error);
  }
}

}  // namespace
}  // namespace gyre::training_loop_test
