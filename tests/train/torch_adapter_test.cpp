#include "train/torch_adapter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/utils.h>

#include <cmath>

#include "base/error.hpp"
#include "engine/engine.hpp"
#include "model_folder.hpp"
#include "train/checkpoint.hpp"
#include "train/torch_model.hpp"

namespace gyre::torch_adapter_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using torch::Tensor;

/// The parameters of a folder, as they are.
void read_weights(const TorchModel& model, const Weights& weights) {
  const torch::NoGradGuard no_gradient;
  for (const std::string& name : model.names()) {
    Tensor parameter = model.parameter(name);
    parameter.copy_(torch::tensor(weights.at(name)).view(parameter.sizes()));
  }
}

void draw_values(const Parameters& adapter) {
  const torch::NoGradGuard no_gradient;
  for (const std::string& name : adapter.names()) {
    Tensor parameter = adapter.parameter(name);
    parameter.add_(torch::randn(parameter.sizes()), 0.1);
  }
}

std::vector<std::int32_t> some_tokens(const ModelSpec& spec) {
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < std::min(7, spec.context); ++i) tokens.push_back((5 * i + 2) % spec.vocab_size);
  return tokens;
}

Tensor as_row(const std::vector<std::int32_t>& tokens) {
  return torch::tensor(std::vector<std::int64_t>(tokens.begin(), tokens.end())).unsqueeze(0);
}

/// One looped group, so that a set for each loop has a meaning in all of them.
ModelSpec spec_at(std::uint64_t seed) {
  ModelSpec spec = random_spec(seed);
  for (Group& group : spec.groups) group.minus_state = false;
  spec.prefix_lm = false;
  return spec;
}

TEST(TorchAdapter, ComputesWhatTheEngineDoes) {
  for (std::uint64_t seed = 0; seed < 16; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const ModelSpec spec = spec_at(seed);
    const ModelFolder folder(spec, seed);
    const TorchModel model(spec, seed);
    read_weights(model, folder.weights());
    const Model plain = Model::load(folder.path());
    AdapterConfig config;
    config.rank = 1 + static_cast<int>(seed % 5) * 5;
    config.rank_stabilised = seed % 2 == 0;
    config.magnitudes = seed % 3 == 0;
    config.per_loop = seed % 4 == 0;
    if (seed % 5 == 1) config.targets = {"qkv", "down"};
    const TorchAdapter adapter(config, plain.adaptable(), 2, model, seed);

    const std::vector<std::int32_t> tokens = some_tokens(spec);
    ForwardOptions options;
    options.loops = spec.default_loops();
    options.noise_seeds = {9};
    options.adapter = &adapter;
    const torch::NoGradGuard no_gradient;
    const Tensor at_first = model.logits(model.states(as_row(tokens), options), Precision::f32);
    options.adapter = nullptr;
    const Tensor without = model.logits(model.states(as_row(tokens), options), Precision::f32);
    // B is zero, and rows have the lengths they have: nothing is changed yet.
    EXPECT_LE((at_first - without).abs().max().item<double>(), 1e-4);

    draw_values(adapter);
    write_adapter(folder.beside("adapter"), adapter.values());
    const Model adapted = Model::load(folder.path(), {.adapter = folder.beside("adapter")});
    Engine engine(adapted, 2);
    // As many positions as the row has: long sequences may turn otherwise.
    Sequence sequence = engine.start(options.loops, static_cast<int>(tokens.size()), {}, 9);
    const std::span<const float> logits = engine.prefill(sequence, tokens, Engine::Logits::all);
    options.adapter = &adapter;
    const Tensor expected = model.logits(model.states(as_row(tokens), options), Precision::f32);
    const Tensor got = torch::from_blob(const_cast<float*>(logits.data()), expected.sizes());
    const double scale = std::max(1.0, expected.abs().max().item<double>());
    EXPECT_LE((got - expected).abs().max().item<double>() / scale, 1e-4);
    EXPECT_GT((expected - without).abs().max().item<double>(), 1e-3);
  }
}

TEST(TorchAdapter, GradientsReachItsPartsAlone) {
  const ModelSpec spec = small_spec();
  const ModelFolder folder(spec);
  const TorchModel model(spec, 1);
  model.freeze();
  AdapterConfig config;
  config.magnitudes = true;
  config.per_loop = true;
  const TorchAdapter adapter(config, Model::load(folder.path()).adaptable(), 3, model, 1);
  draw_values(adapter);
  ForwardOptions options;
  options.loops = {1, 4, 2, 1};
  options.adapter = &adapter;
  model.states(as_row(some_tokens(spec)), options).square().sum().backward();
  for (const std::string& name : model.names()) EXPECT_FALSE(model.parameter(name).grad().defined()) << name;
  for (const std::string& name : adapter.names()) {
    // Groups of one loop use the first set alone; one of two loops the first two.
    const bool once = name.starts_with("groups.0.") || name.starts_with("groups.3.");
    const bool unused = name.find(".loops.2.") != std::string::npos && !name.starts_with("groups.1.");
    const bool second = once && name.find(".loops.1.") != std::string::npos;
    EXPECT_EQ(adapter.parameter(name).grad().defined(), !unused && !second) << name;
  }
}

TEST(TorchAdapter, TakesBackTheValuesOfAFile) {
  const ModelSpec spec = small_spec();
  const ModelFolder folder(spec);
  const TorchModel model(spec, 1);
  const auto modules = Model::load(folder.path()).adaptable();
  AdapterConfig config;
  config.per_loop = true;
  const TorchAdapter first(config, modules, 2, model, 1);
  draw_values(first);
  TorchAdapter second(config, modules, 2, model, 2);
  second.set_values(first.values(), "file");
  for (const std::string& name : first.names()) {
    EXPECT_TRUE(first.parameter(name).equal(second.parameter(name))) << name;
  }
  config.rank = 4;
  TorchAdapter other(config, modules, 2, model, 2);
  EXPECT_THAT([&] { other.set_values(first.values(), "file"); }, ThrowsMessage<Error>(HasSubstr("file: ")));
}

TEST(TorchModelByLoop, GivesTheStatesOfRunsThatStopThere) {
  ModelSpec spec = small_spec();
  spec.groups[2].loops = 1;
  spec.groups[1].exit_norm = true;
  const TorchModel model(spec, 3);
  const Tensor tokens = as_row(some_tokens(spec));
  ForwardOptions options;
  options.loops = {1, 3, 1, 1};
  const std::vector<Tensor> all = model.states_by_loop(tokens, options).states;
  ASSERT_EQ(all.size(), 3U);
  for (int loop = 1; loop <= 3; ++loop) {
    options.loops[1] = loop;
    EXPECT_LE((model.states(tokens, options) - all[static_cast<std::size_t>(loop) - 1]).abs().max().item<double>(),
              1e-6)
        << "loop " << loop;
  }
  EXPECT_THAT([&] { (void)TorchModel(small_spec(), 1).states_by_loop(tokens, options); },
              ThrowsMessage<Error>(HasSubstr("one looped group")));
}

}  // namespace
}  // namespace gyre::torch_adapter_test
