#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/utils.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "raman/small_data.hpp"
#include "raman/torch/convnext.hpp"
#include "scratch_folder.hpp"
#include "train/checkpoint.hpp"

namespace gyre::raman::fit_test {
namespace {

using torch::Tensor;

constexpr std::uint64_t kSeed = 7;

/// Fits of a few steps with the whole data as one batch and nothing random, so that the first loss can be worked out.
class FirstStep : public testing::Test {
 protected:
  FirstStep() {
    const Dataset data = small_dataset(12);
    // Two countries are left with four and two spectra, the third with all eight.
    std::vector<std::size_t> kept;
    std::array<int, 3> left = {8, 4, 2};
    for (std::size_t i = 0; i < data.examples.size(); ++i) {
      if (left.at(static_cast<std::size_t>(data.examples.labels[i]))-- > 0) kept.push_back(i);
    }
    examples_ = data.examples.subset(kept);
    config_ = nlohmann::json::parse(R"({
      "augmentation": {"share": 0, "mixup": 0},
      "model": {"stem_kernel": 4, "stem_stride": 2, "depths": [1, 1], "widths": [8, 12], "dropout": 0, "drop_path": 0},
      "training": {"epochs": 4, "batch": 64, "warmup": 0, "learning_rate": 0.01, "ema": 0, "label_smoothing": 0,
                   "mineral_loss": 0, "class_balance": 0}
    })");
  }

  [[nodiscard]] std::vector<nlohmann::json> fit(const std::string& folder, std::vector<float>* logits = nullptr) const {
    const torch::AutoGradMode gradients(true);
    const auto model =
        gyre_raman_backend()->fit({config_, "config.json", examples_, scratch_ / folder, "fit", kSeed, 1});
    if (logits != nullptr) *logits = model->logits(examples_.inputs);
    std::vector<nlohmann::json> rows;
    std::ifstream lines((scratch_ / folder) / "metrics.jsonl");
    for (std::string line; std::getline(lines, line);) rows.push_back(nlohmann::json::parse(line));
    return rows;
  }

  [[nodiscard]] double first_loss(const std::string& folder) const {
    return fit(folder).front().at("loss").get<double>();
  }

  /// The untrained model that the fit begins with.
  [[nodiscard]] ConvNext untrained(int minerals = 0) const {
    return {parse_model(config_, "config.json", examples_.points), examples_.points, {3, minerals, false}, kSeed};
  }

  /// Cross-entropy of each example, with the target smoothed by `smoothing`.
  static Tensor losses(const Tensor& logits, const std::vector<int>& labels, double smoothing = 0) {
    const Tensor log_p = torch::log_softmax(logits, 1);
    Tensor out = torch::zeros({log_p.size(0)});
    for (std::int64_t i = 0; i < log_p.size(0); ++i) {
      const Tensor own = log_p[i][labels[static_cast<std::size_t>(i)]];
      out[i] = -((1 - smoothing) * own + smoothing * log_p[i].mean());
    }
    return out;
  }

  [[nodiscard]] Tensor inputs() const {
    return torch::tensor(examples_.inputs).reshape({static_cast<std::int64_t>(examples_.size()), examples_.points});
  }

  ScratchFolder scratch_;
  Examples examples_;
  nlohmann::json config_;
};

TEST_F(FirstStep, HasTheMeanCrossEntropyOfTheUntrainedModel) {
  const torch::NoGradGuard no_gradient;
  const Tensor logits = untrained().forward(inputs(), false, Arithmetic::f32).countries;
  EXPECT_NEAR(first_loss("plain"), losses(logits, examples_.labels).mean().item<double>(), 1e-5);
  config_["training"]["label_smoothing"] = 0.3;
  EXPECT_NEAR(first_loss("smoothed"), losses(logits, examples_.labels, 0.3).mean().item<double>(), 1e-5);
}

TEST_F(FirstStep, WeighsCountriesWithTheirCountToThePowerOfMinusTheBalance) {
  const torch::NoGradGuard no_gradient;
  const Tensor each = losses(untrained().forward(inputs(), false, Arithmetic::f32).countries, examples_.labels);
  const std::array<double, 3> counts = {8, 4, 2};
  for (const double balance : {0.5, 1.0}) {
    config_["training"]["class_balance"] = balance;
    double sum = 0;
    double weights = 0;
    for (std::size_t i = 0; i < examples_.size(); ++i) {
      const double weight = std::pow(counts.at(static_cast<std::size_t>(examples_.labels[i])), -balance);
      sum += weight * each[static_cast<std::int64_t>(i)].item<double>();
      weights += weight;
    }
    EXPECT_NEAR(first_loss("balance" + std::to_string(balance)), sum / weights, 1e-5);
  }
}

TEST_F(FirstStep, AddsTheWeighedLossOfTheMinerals) {
  const torch::NoGradGuard no_gradient;
  config_["training"]["mineral_loss"] = 0.4;
  const ConvNextOutput out = untrained(examples_.minerals).forward(inputs(), false, Arithmetic::f32);
  const nlohmann::json first = fit("minerals").front();
  const double countries = losses(out.countries, examples_.labels).mean().item<double>();
  const double minerals = losses(out.minerals, examples_.mineral).mean().item<double>();
  EXPECT_NEAR(first["country_loss"].get<double>(), countries, 1e-5);
  EXPECT_NEAR(first["loss"].get<double>(), countries + 0.4 * minerals, 1e-5);
}

TEST_F(FirstStep, SeesInputsThatAreAugmentedAndMixed) {
  const double plain = first_loss("plain");
  config_["augmentation"] = {{"share", 1}, {"mixup", 0}, {"noise", 0.5}};
  EXPECT_GT(std::abs(first_loss("augmented") - plain), 1e-4);
  config_["augmentation"] = {{"share", 0}, {"mixup", 1}};
  EXPECT_GT(std::abs(first_loss("mixed") - plain), 1e-4);
  config_["augmentation"] = {{"share", 0}, {"mixup", 0}, {"noise", 0.5}};
  EXPECT_EQ(first_loss("none"), plain);
}

TEST_F(FirstStep, IsOneOfSoManyAndFollowsTheSchedule) {
  config_["training"]["batch"] = 5;  // 14 examples: batches of 5, 5 and 4
  config_["training"]["warmup"] = 3;
  const std::vector<nlohmann::json> rows = fit("steps");
  ASSERT_EQ(rows.size(), 12U);
  FitConfig schedule = parse_fit(config_, "config.json");
  schedule.steps = 12;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i]["step"], i + 1);
    EXPECT_NEAR(rows[i]["learning_rate"].get<double>(), learning_rate_at(schedule, static_cast<int>(i) + 1), 1e-9);
  }
}

TEST_F(FirstStep, IsOneOfAnEpochThatSeesEachExampleOnceInAnOrderOfItsOwn) {
  // With hardly any rate the model stays what it was: the batches' losses sum to that of all 14 examples.
  config_["training"]["batch"] = 5;
  config_["training"]["learning_rate"] = 1e-9;
  const std::vector<nlohmann::json> rows = fit("epochs");
  const torch::NoGradGuard no_gradient;
  const Tensor logits = untrained().forward(inputs(), false, Arithmetic::f32).countries;
  const double all = losses(logits, examples_.labels).sum().item<double>();
  const auto loss = [&](std::size_t row) { return rows.at(row)["loss"].get<double>(); };
  for (std::size_t epoch = 0; epoch < 4; ++epoch) {
    EXPECT_NEAR(5 * loss(3 * epoch) + 5 * loss(3 * epoch + 1) + 4 * loss(3 * epoch + 2), all, 1e-4);
  }
  EXPECT_GT(std::abs(loss(0) - loss(3)), 1e-6);
}

TEST_F(FirstStep, IsFollowedByOthersThatTheAverageRemembers) {
  std::vector<float> logits;
  const auto logits_of = [&](const std::string& file) {
    const torch::NoGradGuard no_gradient;
    const ConvNext model = untrained();
    const std::filesystem::path checkpoints = scratch_ / "averaged" / "checkpoints";
    for (const auto& entry : std::filesystem::directory_iterator(checkpoints))
      read_parameters(entry.path() / file, model);
    return model.forward(inputs(), false, Arithmetic::f32).countries.contiguous();
  };
  const auto distance = [&](const Tensor& other) {
    return (torch::tensor(logits).reshape({-1, 3}) - other).abs().max().item<double>();
  };
  config_["training"]["epochs"] = 20;
  config_["training"]["ema"] = 0.9;
  static_cast<void>(fit("averaged", &logits));
  EXPECT_LT(distance(logits_of("average.safetensors")), 1e-5);
  EXPECT_GT(distance(logits_of("model.safetensors")), 1e-3);
  // The average is none of the untrained model.
  const torch::NoGradGuard no_gradient;
  EXPECT_GT(distance(untrained().forward(inputs(), false, Arithmetic::f32).countries), 1e-2);
  std::filesystem::remove_all(scratch_ / "averaged");
  config_["training"]["ema"] = 0;
  static_cast<void>(fit("averaged", &logits));
  EXPECT_LT(distance(logits_of("model.safetensors")), 1e-5);
}

/// The network written out with LibTorch's own operations.
Tensor written_out(const ConvNext& model, const Tensor& x, int stride, int kernel, bool positions, Pooling pooling) {
  const auto p = [&](const std::string& name) { return model.parameter(name); };
  const auto norm = [&](const std::string& name, const Tensor& h) {
    return torch::layer_norm(h, {h.size(-1)}, p(name + ".weight"), p(name + ".bias"), 1e-6);
  };
  const auto linear = [&](const std::string& name, const Tensor& h) {
    return torch::linear(h, p(name + ".weight"), p(name + ".bias"));
  };
  const auto block = [&](const std::string& name, const Tensor& h) {
    const Tensor weight = p(name + ".depthwise.weight").transpose(0, 1).unsqueeze(1);
    Tensor y =
        torch::conv1d(h.transpose(1, 2), weight, p(name + ".depthwise.bias"), 1, weight.size(2) / 2, 1, h.size(2));
    y = linear(name + ".down", torch::gelu(linear(name + ".up", norm(name + ".norm", y.transpose(1, 2))), "tanh"));
    return h + p(name + ".scale") * y;
  };
  const std::int64_t places = (x.size(1) + stride - 1) / stride;
  const std::int64_t missing = (places - 1) * stride + kernel - x.size(1);
  Tensor h = torch::conv1d(torch::constant_pad_nd(x, {missing / 2, missing - missing / 2}).unsqueeze(1),
                           p("stem.weight").unsqueeze(1), p("stem.bias"), stride);
  h = norm("stem.norm", h.transpose(1, 2));
  if (positions) h = h + p("positions");
  h = block("stages.0.blocks.0", h);
  h = norm("stages.1.down.norm", h);
  if (h.size(1) % 2 != 0) h = torch::constant_pad_nd(h, {0, 0, 0, 1});
  h = linear("stages.1.down", torch::cat({h.slice(1, 0, h.size(1), 2), h.slice(1, 1, h.size(1), 2)}, 2));
  h = block("stages.1.blocks.0", h);
  h = pooling == Pooling::mean ? norm("norm", h.mean(1)) : norm("norm", h).flatten(1);
  return linear("countries", h);
}

TEST(ConvNextModel, IsWhatItsPartsMakeWrittenOut) {
  const torch::NoGradGuard no_gradient;
  for (const int points : {64, 35}) {
    for (const Pooling pooling : {Pooling::mean, Pooling::flatten}) {
      ConvNextConfig config;
      config.stem_kernel = 4;
      config.stem_stride = 2;
      config.depths = {1, 1};
      config.widths = {8, 12};
      config.layer_scale = 0.7F;
      config.pooling = pooling;
      config.positions = pooling == Pooling::mean;
      const ConvNext model(config, points, {5, 0, false}, 3);
      const Tensor x = torch::randn({4, points});
      const Tensor expected = written_out(model, x, 2, 4, config.positions, pooling);
      const Tensor got = model.forward(x, false, Arithmetic::f32).countries;
      EXPECT_LT((got - expected).abs().max().item<double>(), 1e-4) << points;
    }
  }
}

TEST(ConvNextModel, LeavesBranchesOutWithTheChanceOfTheirDepth) {
  // Two blocks of chances 0.4 and 0.8, and nothing else that is random: four outcomes, of which the last two blocks'
  // absence together has the chance 0.32.
  ConvNextConfig config;
  config.stem_kernel = 4;
  config.stem_stride = 4;
  config.depths = {2};
  config.widths = {8};
  config.layer_scale = 5;
  config.drop_path = 0.8F;
  config.dropout = 0;
  const ConvNext model(config, 32, {3, 0, false}, 1);
  ConvNextConfig none = config;
  none.layer_scale = 0;
  const ConvNext bare(none, 32, {3, 0, false}, 1);
  const torch::NoGradGuard no_gradient;
  const Tensor x = torch::randn({1, 32}).expand({4000, 32}).contiguous();
  const Tensor out = model.forward(x, true, Arithmetic::f32).countries;
  const Tensor expected = bare.forward(x.narrow(0, 0, 1), false, Arithmetic::f32).countries;
  const double share = (out - expected).abs().amax(1).lt(1e-5).to(torch::kFloat).mean().item<double>();
  EXPECT_NEAR(share, 0.32, 0.03);
}

}  // namespace
}  // namespace gyre::raman::fit_test
