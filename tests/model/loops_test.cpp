#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "engine/engine.hpp"
#include "model_folder.hpp"

namespace gyre::loops_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// Six plain layers.
ModelSpec plain_spec() {
  ModelSpec spec = small_spec();
  spec.groups = {Group()};
  spec.groups[0].name = "layers";
  spec.groups[0].layers = 6;
  return spec;
}

class LayerLoops : public ::testing::Test {
 protected:
  [[nodiscard]] std::vector<float> logits(const std::string& runs, float damping = 1.0F) const {
    Model model = Model::load(folder_.path());
    if (!runs.empty()) model.loop_layers(parse_layer_loops(runs, "--loop"), damping, "--loop");
    Engine engine(model, 1);
    Sequence sequence = engine.start(model.spec().default_loops(), 8, {}, 1);
    const std::vector<std::int32_t> tokens = {1, 5, 3, 7};
    const std::span<const float> all = engine.prefill(sequence, tokens, Engine::Logits::all);
    return {all.begin(), all.end()};
  }

  const ModelFolder folder_{plain_spec()};
};

TEST_F(LayerLoops, CutAGroupWhereTheRunsSay) {
  const ModelSpec spec = with_loops(plain_spec(), parse_layer_loops("3-4x3,1x2", "--loop"), 0.5F, "--loop");
  std::vector<std::pair<int, int>> shape;
  for (const Group& group : spec.groups) shape.emplace_back(group.layers, group.loops);
  EXPECT_EQ(shape, (std::vector<std::pair<int, int>>{{1, 1}, {1, 2}, {1, 1}, {2, 3}, {1, 1}}));
  // Pieces are named by their layers in the whole model.
  std::vector<std::string> names;
  for (const Group& group : spec.groups) names.push_back(group.name);
  EXPECT_EQ(names, (std::vector<std::string>{"layers 0-0", "1-1", "layers 2-2", "3-4", "layers 5-5"}));
  EXPECT_EQ(spec.groups[3].damping, 0.5F);
  EXPECT_EQ(spec.groups[2].damping, 1.0F);
}

TEST_F(LayerLoops, OfOneLoopChangeNothing) { EXPECT_EQ(logits("1-2x1,4x1"), logits("")); }

TEST_F(LayerLoops, DampedToNothingLeaveTheModelsOwnPass) { EXPECT_EQ(logits("1-3x4", 0.0F), logits("")); }

TEST_F(LayerLoops, AreTheSameLayersAgain) {
  // A model whose layers 1 and 2 are written out twice.
  ModelSpec twice = plain_spec();
  twice.groups[0].layers = 8;
  Weights weights;
  for (const auto& [name, values] : folder_.weights()) {
    if (!name.starts_with("groups.0.layers.")) weights[name] = values;
  }
  const int sources[] = {0, 1, 2, 1, 2, 3, 4, 5};
  for (int to = 0; to < 8; ++to) {
    const std::string from = "groups.0.layers." + std::to_string(sources[to]) + ".";
    for (const auto& [name, values] : folder_.weights()) {
      if (!name.starts_with(from)) continue;
      weights["groups.0.layers." + std::to_string(to) + "." + name.substr(from.size())] = values;
    }
  }
  const ModelFolder long_folder(twice);
  write_weights(long_folder.path() / "model.safetensors", twice, weights);
  const Model model = Model::load(long_folder.path());
  Engine engine(model, 1);
  Sequence sequence = engine.start({1}, 8, {}, 1);
  const std::span<const float> all =
      engine.prefill(sequence, std::vector<std::int32_t>{1, 5, 3, 7}, Engine::Logits::all);
  EXPECT_EQ(logits("1-2x2"), std::vector<float>(all.begin(), all.end()));
}

TEST_F(LayerLoops, MistakesSayWhatWouldBeRight) {
  for (const char* wrong : {"", "3", "3x", "x4", "4-2x2", "1-2x0", "1-2x4,", "a-bx2", "1-2x99999"}) {
    EXPECT_THAT([&] { parse_layer_loops(wrong, "--loop"); },
                ThrowsMessage<Error>(HasSubstr("is not FIRST-LASTxLOOPS")));
  }
  const auto loop = [](const std::string& runs, const ModelSpec& spec = plain_spec()) {
    with_loops(spec, parse_layer_loops(runs, "--loop"), 1.0F, "--loop");
  };
  EXPECT_THAT([&] { loop("4-6x2"); }, ThrowsMessage<Error>(HasSubstr("--loop: layers 4-6 reach over the end")));
  EXPECT_THAT([&] { loop("9x2"); }, ThrowsMessage<Error>(HasSubstr("layer 9 is beyond the model's last, 5")));
  EXPECT_THAT([&] { loop("1-3x2,3-4x2"); }, ThrowsMessage<Error>(HasSubstr("overlap at layer 3")));
  EXPECT_THAT([&] { loop("1x2", small_spec()); }, ThrowsMessage<Error>(HasSubstr("loops already; give its loops")));
  ModelSpec stacked = plain_spec();
  stacked.groups[0].fast = {1, 2};
  EXPECT_THAT([&] { loop("1x2", stacked); }, ThrowsMessage<Error>(HasSubstr("together with a fast stack only")));
  ModelSpec gated = plain_spec();
  gated.groups[0].update_rank = 2;
  EXPECT_THAT([&] { loop("1x2", gated); }, ThrowsMessage<Error>(HasSubstr("its loop ends in a gated update")));
  gated = plain_spec();
  gated.groups[0].minus_state = true;
  EXPECT_THAT([&] { loop("1x2", gated); }, ThrowsMessage<Error>(HasSubstr("its loop ends in minus_state")));
}

}  // namespace
}  // namespace gyre::loops_test
