#include "raman/torch/convnext.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/utils.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "raman/torch/depthwise.hpp"

namespace gyre::raman::convnext_test {
namespace {

using testing::HasSubstr;
using torch::Tensor;

ConvNextConfig small_model() {
  ConvNextConfig config;
  config.stem_kernel = 4;
  config.stem_stride = 2;
  config.depths = {1, 1};
  config.widths = {8, 12};
  config.kernel = 5;
  return config;
}

/// LibTorch's own convolution on [rows, channels, places].
Tensor reference(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const std::int64_t kernel = weight.size(0);
  const Tensor w = weight.transpose(0, 1).unsqueeze(1).contiguous();
  return torch::conv1d(x.transpose(1, 2), w, bias, 1, kernel / 2, 1, x.size(2)).transpose(1, 2);
}

TEST(DepthwiseConvolution, AndItsGradientsAreThoseOfLibTorch) {
  torch::manual_seed(1);
  for (const std::int64_t places : {1, 3, 20}) {
    for (const std::int64_t kernel : {1, 7}) {
      std::vector<Tensor> ours = {torch::randn({5, places, 6}), torch::randn({kernel, 6}), torch::randn({6})};
      std::vector<Tensor> theirs;
      for (Tensor& t : ours) {
        theirs.push_back(t.clone().set_requires_grad(true));
        t.set_requires_grad(true);
      }
      const Tensor y = depthwise_convolution(ours[0], ours[1], ours[2]);
      const Tensor expected = reference(theirs[0], theirs[1], theirs[2]);
      EXPECT_TRUE(torch::allclose(y, expected, 1e-5, 1e-5));
      const Tensor weights = torch::randn_like(y);
      (y * weights).sum().backward();
      (expected * weights).sum().backward();
      for (std::size_t i = 0; i < 3; ++i)
        EXPECT_TRUE(torch::allclose(ours[i].grad(), theirs[i].grad(), 1e-4, 1e-4)) << i;
    }
  }
}

TEST(ConvNextModel, GivesOneRowOfLogitsASpectrum) {
  for (const Pooling pooling : {Pooling::mean, Pooling::flatten}) {
    ConvNextConfig config = small_model();
    config.pooling = pooling;
    const ConvNext model(config, 33, {4, 7, false}, 1);
    const ConvNextOutput out = model.forward(torch::randn({3, 33}), false, Arithmetic::f32);
    EXPECT_EQ(out.countries.sizes(), (std::vector<std::int64_t>{3, 4}));
    EXPECT_EQ(out.minerals.sizes(), (std::vector<std::int64_t>{3, 7}));
  }
  EXPECT_FALSE(ConvNext(small_model(), 32, {4, 0, false}, 1)
                   .forward(torch::randn({3, 32}), false, Arithmetic::f32)
                   .minerals.defined());
}

TEST(ConvNextModel, LooksAtEachSpectrumAlone) {
  const ConvNext model(small_model(), 32, {4, 0, false}, 1);
  const Tensor x = torch::randn({5, 32});
  const Tensor all = model.forward(x, false, Arithmetic::f32).countries;
  const Tensor one = model.forward(x.narrow(0, 2, 1), false, Arithmetic::f32).countries;
  EXPECT_TRUE(torch::allclose(all.narrow(0, 2, 1), one, 1e-5, 1e-6));
}

TEST(ConvNextModel, InBf16IsNearF32) {
  const ConvNext model(small_model(), 64, {4, 0, false}, 1);
  const Tensor x = torch::randn({5, 64});
  const Tensor full = model.forward(x, false, Arithmetic::f32).countries;
  const Tensor half = model.forward(x, false, Arithmetic::bf16).countries;
  EXPECT_LT((full - half).abs().max().item<double>(), 0.05 * full.abs().max().item<double>() + 1e-3);
}

TEST(ConvNextModel, DropsOnlyWhileTraining) {
  const ConvNext model(small_model(), 32, {4, 0, false}, 1);
  const Tensor x = torch::randn({5, 32});
  const auto run = [&](bool training) { return model.forward(x, training, Arithmetic::f32).countries; };
  EXPECT_TRUE(torch::equal(run(false), run(false)));
  EXPECT_FALSE(torch::equal(run(true), run(true)));
}

TEST(AveragedParameters, FollowTheDecay) {
  const ConvNext model(small_model(), 32, {4, 0, false}, 1);
  AveragedParameters average(model);
  const torch::NoGradGuard no_gradient;
  Tensor bias = model.parameter("countries.bias");
  bias.fill_(1);
  average.update(model, 0.9, 1000);
  EXPECT_NEAR(average.parameter("countries.bias")[0].item<double>(), 0.1, 1e-6);
  average.update(model, 0.9, 1);  // early: (1 + 1) / (10 + 1)
  EXPECT_NEAR(average.parameter("countries.bias")[0].item<double>(), 0.1 * 2 / 11 + 9.0 / 11, 1e-6);
  average.copy_to(model);
  EXPECT_NEAR(bias[0].item<double>(), 0.1 * 2 / 11 + 9.0 / 11, 1e-6);
}

TEST(ModelConfig, IsRefusedByTheKeyThatIsWrong) {
  const auto message = [](const char* json, int points = 64) -> std::string {
    try {
      const nlohmann::json config = nlohmann::json::parse(json);
      parse_model(config, "c.json", points);
      parse_fit(config, "c.json");
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(message("{}"), "accepted");
  EXPECT_THAT(message(R"({"model": {"kernel": 4}})"), HasSubstr("c.json: model: kernel"));
  EXPECT_THAT(message(R"({"model": {"depths": [1], "widths": [8, 8]}})"), HasSubstr("one width a stage"));
  EXPECT_THAT(message(R"({"model": {"widths": [8, 0, 3]}})"), HasSubstr("widths"));
  EXPECT_THAT(message(R"({"model": {"stem_kernel": 2, "stem_stride": 4}})"), HasSubstr("stem_kernel"));
  EXPECT_THAT(message(R"({"model": {"stem_stride": 32, "stem_kernel": 32}})"), HasSubstr("too few"));
  EXPECT_THAT(message(R"({"training": {"epoch": 3}})"), HasSubstr("epoch"));
  EXPECT_THAT(message(R"({"training": {"ema": 2}})"), HasSubstr("ema"));
  EXPECT_THAT(message(R"({"augmentation": {"noise": -1}})"), HasSubstr("noise"));
}

}  // namespace
}  // namespace gyre::raman::convnext_test
