#include "study/layer_blocks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.hpp"
#include "engine/probabilities.hpp"
#include "model_folder.hpp"

namespace gyre::layer_blocks_test {
namespace {

ModelSpec plain_spec(int layers) {
  ModelSpec spec = small_spec();
  spec.groups = {plain_group("layers", layers)};
  return spec;
}

const MeasuredText kText = {{{3, 7, 1, 15, 0, 4, 9, 9, 2, 11, 5, 6, 8, 1, 1, 10, 12}}, {}};

class Blocks : public ::testing::Test {
 protected:
  [[nodiscard]] EvaluationOptions options(const Model& cut) const {
    EvaluationOptions options;
    options.loops = cut.spec().default_loops();
    options.window = 6;
    return options;
  }

  /// Layer `to` becomes layer `from`.
  void copy_layer(ModelFolder& folder, int from, int to) const {
    folder.rewrite([&](Weights& weights) {
      const std::string begin = fmt::format("groups.0.layers.{}.", from);
      for (const auto& [name, values] : weights) {
        if (name.starts_with(begin)) {
          weights[fmt::format("groups.0.layers.{}.{}", to, name.substr(begin.size()))] = values;
        }
      }
    });
  }

  [[nodiscard]] BlockStudy study(const ModelFolder& folder, const std::vector<Segment>& blocks) const {
    Model model = Model::load(folder.path());
    cut_layers(model);
    return measure_blocks(model, kText, {blocks}, options(model), {});
  }
};

TEST_F(Blocks, OfOneLayerEachAreTheModel) {
  const ModelFolder folder(plain_spec(3));
  const BlockStudy own = study(folder, {{0, 0, 0}, {1, 1, 1}, {2, 2, 2}});
  EXPECT_EQ(own.cuts[0].difference.value, 0);
  EXPECT_EQ(own.cuts[0].once_difference.value, 0);
  EXPECT_EQ(own.tokens, 16);
  EXPECT_EQ(own.loss.units, 3U);
  // What the model itself says, not cut.
  const Model model = Model::load(folder.path());
  Engine engine(model, 1);
  double sum = 0;
  const std::vector<std::int32_t>& tokens = kText.documents.front();
  for (std::size_t begin = 0; begin < 16; begin += 6) {
    Sequence sequence = engine.start({1}, 6, KvPolicy{}, 1);
    const std::size_t count = std::min<std::size_t>(6, 16 - begin);
    const auto logits = engine.prefill(sequence, std::span(tokens).subspan(begin, count), Engine::Logits::all);
    for (std::size_t t = 0; t < count; ++t) {
      std::vector<float> p(16);
      log_softmax(logits.subspan(16 * t, 16), p);
      sum -= static_cast<double>(p[static_cast<std::size_t>(tokens[begin + t + 1])]);
    }
  }
  EXPECT_NEAR(own.loss.value, sum / 16, 1e-6);
}

TEST_F(Blocks, OfEqualLayersLoseNothing) {
  ModelFolder folder(plain_spec(4));
  copy_layer(folder, 1, 2);
  const BlockStudy tied = study(folder, {{0, 0, 0}, {1, 2, 1}, {3, 3, 3}});
  EXPECT_NEAR(tied.cuts[0].difference.value, 0, 1e-9);
  EXPECT_GT(std::abs(tied.cuts[0].once_difference.value), 1e-4);
  EXPECT_GT(std::abs(study(folder, {{0, 1, 0}, {2, 2, 2}, {3, 3, 3}}).cuts[0].difference.value), 1e-4);
}

TEST_F(Blocks, RunOnceAsAModelOfFewerLayersDoes) {
  // Layers 1 and 3 of four, as a model of two.
  ModelFolder four(plain_spec(4));
  ModelFolder two(plain_spec(2));
  const Weights all = four.weights();
  two.rewrite([&](Weights& weights) {
    for (auto& [name, values] : weights) {
      std::string from = name;
      if (name.starts_with("groups.0.layers.0.")) from.replace(0, 18, "groups.0.layers.1.");
      if (name.starts_with("groups.0.layers.1.")) from.replace(0, 18, "groups.0.layers.3.");
      values = all.at(from);
    }
  });
  const BlockStudy blocks = study(four, {{0, 1, 1}, {2, 3, 3}});
  EXPECT_NEAR(blocks.cuts[0].once_loss.value, study(two, {{0, 1, 0}}).loss.value, 1e-6);
  EXPECT_NEAR(blocks.cuts[0].once_difference.value, blocks.cuts[0].once_loss.value - blocks.loss.value, 1e-9);
  EXPECT_NEAR(blocks.cuts[0].difference.value, blocks.cuts[0].loss.value - blocks.loss.value, 1e-9);
}

TEST_F(Blocks, LayersThatAddNothingAreAlike) {
  ModelFolder folder(plain_spec(4));
  folder.rewrite([&](Weights& weights) {
    for (auto& [name, values] : weights) {
      const bool still = name.find("layers.1.") != std::string::npos || name.find("layers.3.") != std::string::npos;
      if (still && (name.ends_with("out.weight") || name.ends_with("down.weight"))) values.assign(values.size(), 0);
    }
  });
  Model model = Model::load(folder.path());
  cut_layers(model);
  const LayerSimilarity similarity = layer_similarity(model, kText, options(model), 100);
  EXPECT_EQ(similarity.tokens, 16U);
  EXPECT_NEAR(similarity.cka[0][1], 1, 1e-6);
  EXPECT_NEAR(similarity.cosine[0][1], 1, 1e-6);
  EXPECT_NEAR(similarity.cosine[2][3], 1, 1e-6);
  EXPECT_LT(similarity.cka[1][2], 0.999);
  EXPECT_LT(similarity.cosine[1][2], 0.999);
  const std::vector<Segment> blocks = best_segments(similarity.cka, 2);
  EXPECT_EQ(blocks[0].last, 1U);
}

TEST_F(Blocks, AModelThatLoopsIsRefused) {
  const ModelFolder folder;
  Model model = Model::load(folder.path());
  EXPECT_THAT([&] { cut_layers(model); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr("the layers of group \"loop a\" loop already")));
}

}  // namespace
}  // namespace gyre::layer_blocks_test
