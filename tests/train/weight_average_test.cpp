#include "train/weight_average.hpp"

#include <torch/utils.h>

#include "base/file.hpp"
#include "train/checkpoint.hpp"
#include "train/tiny_spec.hpp"
#include "train/trainer_fixture.hpp"

namespace gyre::weight_average_test {
namespace {

using torch::Tensor;

// Steps 1 and 2 weigh the new parameters by 1 - 2/11 and 1 - 3/12; late ones by 0.05.
TEST(WeightAverage, IsTheRunningMeanWithADecayThatGrows) {
  const TorchModel model(tiny_spec(), 1);
  const torch::NoGradGuard no_gradient;
  WeightAverage average(model, 0.95);
  Tensor weight = model.parameter("final_norm.weight");
  const auto value = [&] { return average.parameter("final_norm.weight")[0].item<double>(); };
  weight.fill_(12.0);
  average.update(model, 1);
  EXPECT_NEAR(value(), 1 + 11 * 9.0 / 11, 1e-5);
  weight.fill_(2.0);
  average.update(model, 2);
  EXPECT_NEAR(value(), 10 - 8 * 0.75, 1e-5);
  weight.fill_(24.0);
  average.update(model, 1000);
  EXPECT_NEAR(value(), 4 + 20 * 0.05, 1e-5);
  EXPECT_EQ(weight[0].item<double>(), 24);
}

using AverageRun = TrainerTest;

// With Muon too: a run's own weights are those of a run without an average, and what is exported is the average.
TEST_F(AverageRun, ExportsTheAverageAndTrainsAsWithoutIt) {
  for (const char* const optimiser : {"adamw", "muon"}) {
    nlohmann::json config = small_config();
    config["training"].update({{"steps", 5}, {"optimiser", optimiser}});
    const std::string plain = std::string("plain ") + optimiser;
    const std::string averaged = std::string("averaged ") + optimiser;
    ASSERT_TRUE(train(request(config, plain)));
    config["training"]["ema"] = 0.5;
    ASSERT_TRUE(train(request(config, averaged)));
    const auto bytes = [&](const std::string& out, const std::string& file) {
      return read_text(scratch_ / out / file);
    };
    const std::string kept = "checkpoints/step-000005/";
    EXPECT_TRUE(bytes(plain, kept + "model.safetensors") == bytes(averaged, kept + "model.safetensors"));
    EXPECT_TRUE(bytes(averaged, "model/model.safetensors") == bytes(averaged, kept + "average.safetensors"));
    EXPECT_FALSE(bytes(averaged, "model/model.safetensors") == bytes(averaged, kept + "model.safetensors"));
  }
}

}  // namespace
}  // namespace gyre::weight_average_test
