#include "raman/backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/error.hpp"
#include "base/file.hpp"
#include "raman/metrics.hpp"
#include "raman/small_data.hpp"
#include "scratch_folder.hpp"

namespace gyre::raman::backend_test {
namespace {

namespace fs = std::filesystem;

class TorchModel : public testing::Test {
 protected:
  TorchModel() : data_(small_dataset(60)) {
    config_ = nlohmann::json::parse(R"({
      "augmentation": {"shift": 2, "noise": 0, "mixup": 0.2},
      "model": {"stem_kernel": 4, "stem_stride": 2, "depths": [1, 1], "widths": [8, 12], "dropout": 0.1, "layer_scale": 1,
                "positions": false, "pooling": "flatten"},
      "training": {"epochs": 12, "batch": 16, "warmup": 5, "learning_rate": 0.01, "ema": 0.9, "checkpoint_every": 20}
    })");
  }

  [[nodiscard]] std::unique_ptr<Classifier> fit(const std::string& folder, int threads = 1) const {
    return gyre_raman_backend()->fit({config_, "config.json", data_.examples, scratch_ / folder, "fit", 7, threads});
  }

  [[nodiscard]] std::vector<nlohmann::json> metrics(const std::string& folder) const {
    std::vector<nlohmann::json> rows;
    std::ifstream lines((scratch_ / folder) / "metrics.jsonl");
    for (std::string line; std::getline(lines, line);) {
      rows.push_back(nlohmann::json::parse(line));
      rows.back().erase("spectra_per_second");
    }
    return rows;
  }

  ScratchFolder scratch_;
  Dataset data_;
  nlohmann::json config_;
};

TEST_F(TorchModel, LearnsWhatThereIsToLearn) {
  config_["training"]["epochs"] = 25;
  const auto model = fit("run");
  const Examples& examples = data_.examples;
  const Metrics quality = measure(softmax(model->logits(examples.inputs), 3), examples.labels);
  EXPECT_GT(quality.accuracy, 0.9);
}

TEST_F(TorchModel, IsTheSameFromTheSameSeedOnOneThread) {
  EXPECT_EQ(fit("one")->logits(data_.examples.inputs), fit("other")->logits(data_.examples.inputs));
  EXPECT_EQ(metrics("one"), metrics("other"));
}

TEST_F(TorchModel, GoesOnFromACheckpointAsIfNothingHadHappened) {
  const auto whole = fit("whole");
  // A run of the first epochs alone leaves the checkpoint of an interrupted one, but for its schedule: so the schedule
  // is made flat for both.
  config_["training"]["schedule"] = "warmup_stable_decay";
  config_["training"]["decay_share"] = 0;
  config_["training"]["floor"] = 1;
  const auto flat = fit("flat");
  config_["training"]["epochs"] = 5;
  static_cast<void>(fit("cut"));
  config_["training"]["epochs"] = 12;
  const auto resumed = fit("cut");
  EXPECT_EQ(resumed->logits(data_.examples.inputs), flat->logits(data_.examples.inputs));
  EXPECT_EQ(metrics("cut"), metrics("flat"));
  EXPECT_NE(whole->logits(data_.examples.inputs), flat->logits(data_.examples.inputs));
}

TEST_F(TorchModel, ComesBackFromItsFile) {
  const auto model = fit("run");
  model->save(scratch_ / "model.safetensors");
  nlohmann::json config = config_;
  config["minerals"] = data_.examples.minerals;
  const auto loaded =
      gyre_raman_backend()->load(scratch_ / "model.safetensors", config, "config.json", data_.examples.points, 3, 1);
  EXPECT_EQ(loaded->logits(data_.examples.inputs), model->logits(data_.examples.inputs));
  EXPECT_THROW(static_cast<void>(gyre_raman_backend()->load(scratch_ / "model.safetensors", config, "config.json",
                                                            data_.examples.points, 4, 1)),
               Error);
}

TEST_F(TorchModel, IsExplainedByAttributionsThatSumToTheDifferenceOfTheLogits) {
  const auto model = fit("run");
  const Examples part = data_.examples.subset(std::vector<std::size_t>{0, 5, 9});
  const std::vector<float> attributions = model->attributions(part.inputs, part.labels, 200);
  const std::vector<float> logits = model->logits(part.inputs);
  const std::vector<float> empty = model->logits(std::vector<float>(static_cast<std::size_t>(part.points), 0.0F));
  const auto width = static_cast<std::size_t>(part.points);
  for (std::size_t i = 0; i < 3; ++i) {
    double sum = 0;
    for (std::size_t k = 0; k < width; ++k) sum += attributions[i * width + k];
    const auto c = static_cast<std::size_t>(part.labels[i]);
    EXPECT_NEAR(sum, logits[i * 3 + c] - empty[c], 0.03 * std::abs(logits[i * 3 + c] - empty[c]) + 0.03);
  }
}

}  // namespace
}  // namespace gyre::raman::backend_test
