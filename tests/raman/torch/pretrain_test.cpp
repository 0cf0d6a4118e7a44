#include "raman/torch/pretrain.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>
#include <torch/utils.h>

#include <fstream>

#include "base/error.hpp"
#include "raman/small_data.hpp"
#include "raman/torch/reconstruction.hpp"
#include "scratch_folder.hpp"
#include "train/checkpoint.hpp"
#include "train/run_folder.hpp"

namespace gyre::raman::pretrain_test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using torch::Tensor;

TEST(ReconstructionLoss, IsWhatIsLeftOfTheHiddenPointsAlone) {
  const Tensor input = torch::tensor({3.0F, 1.0F, -2.0F, 5.0F, 1.0F, 4.0F}).reshape({2, 3});
  const Tensor made = torch::tensor({2.5F, 9.0F, -2.0F, 8.0F, 0.0F, 7.0F}).reshape({2, 3}).set_requires_grad(true);
  const Tensor hidden = torch::tensor({1.0F, 0.0F, 1.0F, 0.0F, 1.0F, 0.0F}).reshape({2, 3});
  // Hidden are 3, -2 and 1: (0.5² + 0² + 1²) / (3² + 2² + 1²).
  const Tensor loss = reconstruction_loss(made, input, hidden);
  EXPECT_NEAR(loss.item<double>(), 1.25 / 14, 1e-6);
  const Tensor gradient = torch::autograd::grad({loss}, {made})[0].flatten();
  const std::vector<float> expected = {-1.0F / 14, 0, 0, 0, -2.0F / 14, 0};
  for (std::int64_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(gradient[i].item<float>(), expected[static_cast<std::size_t>(i)], 1e-6) << i;
  }
  EXPECT_EQ(reconstruction_loss(torch::zeros_like(input), input, hidden).item<double>(), 1);
  EXPECT_EQ(reconstruction_loss(made, input, torch::zeros_like(input)).item<double>(), 0);
}

TEST(HiddenInput, IsTheMeanOfWhatIsInSight) {
  const Tensor input = torch::tensor({3.0F, 1.0F, -2.0F, 5.0F, 1.0F, 4.0F}).reshape({2, 3});
  const Tensor hidden = torch::tensor({1.0F, 0.0F, 0.0F, 1.0F, 1.0F, 1.0F}).reshape({2, 3});
  const Tensor expected = torch::tensor({-0.5F, 1.0F, -2.0F, 0.0F, 0.0F, 0.0F}).reshape({2, 3});
  EXPECT_EQ((with_hidden(input, hidden) - expected).abs().max().item<double>(), 0);
  EXPECT_EQ((with_hidden(input, torch::zeros_like(hidden)) - input).abs().max().item<double>(), 0);
}

class Pretrained : public testing::Test {
 protected:
  Pretrained() {
    const Dataset data = small_dataset(48);
    std::vector<std::size_t> first;
    std::vector<std::size_t> last;
    for (std::size_t i = 0; i < data.examples.size(); ++i) (i < 60 ? first : last).push_back(i);
    examples_ = data.examples.subset(first);
    more_ = data.examples.subset(last);
    more_.labels.assign(more_.size(), -1);
    config_ = nlohmann::json::parse(R"({
      "augmentation": {"share": 0, "mixup": 0},
      "model": {"stem_kernel": 4, "stem_stride": 2, "depths": [1, 1], "widths": [8, 12], "dropout": 0, "drop_path": 0.1,
                "layer_scale": 1, "pooling": "flatten", "embedding": 8},
      "pretraining": {"epochs": 12, "batch": 32, "warmup": 0, "learning_rate": 0.01, "mask_width": 100},
      "training": {"epochs": 3, "batch": 32, "warmup": 0, "learning_rate": 0.01, "mineral_loss": 0, "specimen_loss": 1,
                   "checkpoint_every": 4}
    })");
  }

  [[nodiscard]] FitRequest request(const std::string& folder, const Examples* more) const {
    return {config_, "config.json", examples_, scratch_ / folder, "fit", 7, 1, {}, more};
  }
  [[nodiscard]] std::vector<float> logits(const std::string& folder) const { return logits(folder, &more_); }
  [[nodiscard]] std::vector<float> logits(const std::string& folder, const Examples* more) const {
    const torch::AutoGradMode gradients(true);
    return gyre_raman_backend()->fit(request(folder, more))->logits(examples_.inputs);
  }
  [[nodiscard]] std::vector<nlohmann::json> metrics(const std::string& folder) const {
    std::vector<nlohmann::json> rows;
    std::ifstream lines((scratch_ / folder) / "pretraining/metrics.jsonl");
    for (std::string line; std::getline(lines, line);) {
      rows.push_back(nlohmann::json::parse(line));
      rows.back().erase("spectra_per_second");
    }
    return rows;
  }
  [[nodiscard]] ConvNext pretrained(const std::string& folder) const {
    const torch::AutoGradMode gradients(true);
    const FitRequest asked = request(folder, &more_);
    return *pretrain(asked, parse_model(config_, "config.json", examples_.points), parse_fit(config_, "config.json"),
                     parse_pretraining(config_, "config.json"));
  }
  [[nodiscard]] std::string message() const {
    try {
      gyre_raman_backend()->check(config_, "config.json", 64);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  ScratchFolder scratch_;
  Examples examples_;
  Examples more_;
  nlohmann::json config_;
};

TEST_F(Pretrained, TrunkLearnsToTellMineralsAndToReconstruct) {
  // Spectra of one specimen are alike; minerals of this data are not.
  examples_.mineral = examples_.specimen;
  more_.mineral = more_.specimen;
  examples_.minerals = 48;
  config_["pretraining"]["epochs"] = 60;
  static_cast<void>(logits("run"));
  const std::vector<nlohmann::json> rows = metrics("run");
  ASSERT_EQ(rows.size(), 60U * 3);  // 96 spectra in batches of 32
  EXPECT_GT(rows.front()["reconstruction_loss"], 0.9);
  EXPECT_LT(rows.back()["reconstruction_loss"], 0.7);
  EXPECT_LT(rows.back()["mineral_loss"], 0.75 * rows.front()["mineral_loss"].get<double>());
  EXPECT_NEAR(rows[5]["loss"], rows[5]["mineral_loss"].get<double>() + rows[5]["reconstruction_loss"].get<double>(),
              1e-5);
}

TEST_F(Pretrained, TrunkDoesNotSeeWhatIsHidden) {
  // Noise tells nothing of the points beside it: were it in sight, hardly anything of it would be left.
  torch::manual_seed(3);
  for (Examples* part : {&examples_, &more_}) {
    const Tensor noise = torch::randn({static_cast<std::int64_t>(part->inputs.size())});
    part->inputs.assign(noise.data_ptr<float>(), noise.data_ptr<float>() + noise.numel());
  }
  config_["pretraining"]["mineral_loss"] = 0;
  config_["pretraining"]["epochs"] = 40;
  static_cast<void>(pretrained("noise"));
  EXPECT_GT(metrics("noise").back()["reconstruction_loss"], 0.9);
}

TEST_F(Pretrained, TrunkIsWhatTheFitBeginsWith) {
  const ConvNext before = pretrained("before");
  config_["training"]["learning_rate"] = 1e-12;
  config_["training"]["weight_decay"] = 0;
  config_["training"]["ema"] = 0;
  static_cast<void>(logits("run"));
  const ConvNext after(parse_model(config_, "config.json", 64), 64, {3, 0, true, false}, 1);
  read_parameters(*latest_checkpoint((scratch_ / "run") / "checkpoints") / "model.safetensors", after);
  const ConvNext untrained(parse_model(config_, "config.json", 64), 64, {3, 0, true, false}, 7);
  for (const std::string& name : after.names()) {
    // Heads are made anew.
    const bool head = name.starts_with("countries") || name.starts_with("embedding");
    const Tensor expected = head ? untrained.parameter(name) : before.parameter(name);
    EXPECT_LT((after.parameter(name) - expected).abs().max().item<double>(), 1e-6) << name;
    if (!head && name.ends_with("weight")) {
      EXPECT_GT((untrained.parameter(name) - expected).abs().max().item<double>(), 1e-4) << name;
    }
  }
}

TEST_F(Pretrained, ModelIsTheSameFromTheSameSeedAndAnotherWithOtherSpectra) {
  const std::vector<float> one = logits("one");
  EXPECT_EQ(one, logits("other"));
  EXPECT_EQ(metrics("one"), metrics("other"));
  EXPECT_NE(one, logits("fewer", nullptr));
  more_.inputs[3] += 1;
  EXPECT_NE(one, logits("changed"));
}

TEST_F(Pretrained, ModelIsTheOldOneWithoutPretraining) {
  config_["pretraining"]["epochs"] = 0;
  const std::vector<float> off = logits("off");
  EXPECT_FALSE(fs::exists((scratch_ / "off") / "pretraining"));
  config_.erase("pretraining");
  EXPECT_EQ(logits("absent", nullptr), off);
  EXPECT_EQ(parse_pretraining(nlohmann::json::object(), "").epochs, 0);
}

TEST_F(Pretrained, ModelGoesOnFromACheckpointAsIfNothingHadHappened) {
  // A flat schedule, so that a run of the first epochs is the beginning of a longer one.
  config_["pretraining"]["schedule"] = "warmup_stable_decay";
  config_["pretraining"]["decay_share"] = 0;
  config_["pretraining"]["floor"] = 1;
  const std::vector<float> whole = logits("whole");
  config_["pretraining"]["epochs"] = 5;
  static_cast<void>(pretrained("cut"));
  config_["pretraining"]["epochs"] = 12;
  EXPECT_EQ(logits("cut"), whole);
  EXPECT_EQ(metrics("cut"), metrics("whole"));
  // Once there is a checkpoint of the fit, nothing is pretrained again.
  fs::remove_all((scratch_ / "cut") / "pretraining");
  EXPECT_EQ(logits("cut"), whole);
  EXPECT_FALSE(fs::exists((scratch_ / "cut") / "pretraining"));
}

TEST_F(Pretrained, ModelHasTheFileThatOthersHave) {
  const torch::AutoGradMode gradients(true);
  const auto model = gyre_raman_backend()->fit(request("run", &more_));
  model->save(scratch_ / "pretrained.safetensors");
  nlohmann::json config = config_;
  config["minerals"] = examples_.minerals;
  const auto loaded = gyre_raman_backend()->load(scratch_ / "pretrained.safetensors", config, "c", 64, 3, 1);
  EXPECT_EQ(loaded->logits(more_.inputs), model->logits(more_.inputs));
  config.erase("pretraining");
  const auto plain = gyre_raman_backend()->load(scratch_ / "pretrained.safetensors", config, "c", 64, 3, 1);
  EXPECT_EQ(plain->embeddings(more_.inputs), model->embeddings(more_.inputs));
}

TEST_F(Pretrained, TrunkIsToldWhichSpectraAreInfrared) {
  more_.infrared.assign(more_.size(), 1);
  const ConvNext trained = pretrained("infrared");
  ASSERT_TRUE(trained.has("infrared"));
  EXPECT_GT(trained.parameter("infrared").abs().max().item<double>(), 1e-3);
  const torch::NoGradGuard no_gradient;
  const Tensor x = torch::tensor(examples_.inputs).reshape({-1, 64}).narrow(0, 0, 2);
  const auto made = [&](const Tensor& infrared) {
    return trained.forward(x, false, Arithmetic::f32, infrared).reconstruction;
  };
  const Tensor mixed = made(torch::tensor({0.0F, 1.0F}));
  const Tensor raman = made({});
  EXPECT_LT((mixed[0] - raman[0]).abs().max().item<double>(), 1e-6);
  EXPECT_GT((mixed[1] - raman[1]).abs().max().item<double>(), 1e-4);
  // Whether they are told apart makes another trunk; the model that comes of it knows nothing of infrared spectra.
  const std::vector<float> told = logits("told");
  more_.infrared.assign(more_.size(), 0);
  EXPECT_NE(logits("untold"), told);
  const ConvNext plain(parse_model(config_, "config.json", 64), 64, {3, 0, true, false}, 1);
  read_parameters(*latest_checkpoint((scratch_ / "told") / "checkpoints") / "model.safetensors", plain);
}

TEST_F(Pretrained, LossesAreSwitchedOffByTheirWeights) {
  config_["pretraining"]["mineral_loss"] = 0;
  static_cast<void>(pretrained("reconstruction"));
  EXPECT_FALSE(metrics("reconstruction").front().contains("mineral_loss"));
  config_["pretraining"]["mineral_loss"] = 2;
  config_["pretraining"]["reconstruction_loss"] = 0;
  static_cast<void>(pretrained("mineral"));
  const nlohmann::json first = metrics("mineral").front();
  EXPECT_FALSE(first.contains("reconstruction_loss"));
  EXPECT_NEAR(first["loss"], 2 * first["mineral_loss"].get<double>(), 1e-5);
}

TEST_F(Pretrained, ConfigIsCheckedByName) {
  EXPECT_EQ(message(), "accepted");
  const auto with = [&](const std::string& key, const nlohmann::json& value) {
    const nlohmann::json before = config_["pretraining"];
    config_["pretraining"][key] = value;
    const std::string said = message();
    config_["pretraining"] = before;
    return said;
  };
  EXPECT_THAT(with("epoch", 3), HasSubstr("config.json: pretraining: unknown key \"epoch\""));
  EXPECT_THAT(with("epochs", -1), HasSubstr("epochs"));
  EXPECT_THAT(with("mask_share", 0.95), HasSubstr("mask_share"));
  EXPECT_THAT(with("mask_width", 0), HasSubstr("mask_width"));
  EXPECT_THAT(with("mineral_loss", -1), HasSubstr("mineral_loss"));
  EXPECT_THAT(with("mineral_temperature", 0), HasSubstr("mineral_temperature"));
  EXPECT_THAT(with("reconstruction_loss", "much"), HasSubstr("reconstruction_loss"));
  EXPECT_THAT(with("infrared", 1), HasSubstr("infrared"));
  config_["pretraining"]["infrared"] = true;
  EXPECT_THAT(with("epochs", 0), HasSubstr("give epochs, or infrared false"));
  config_["pretraining"]["mineral_loss"] = 0;
  EXPECT_THAT(with("reconstruction_loss", 0), HasSubstr("give one of them more, or epochs 0"));
}

}  // namespace
}  // namespace gyre::raman::pretrain_test
