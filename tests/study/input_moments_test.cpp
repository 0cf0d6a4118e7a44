#include "study/input_moments.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "model_folder.hpp"

namespace gyre::input_moments_test {
namespace {

/// A model whose norms only scale to unit size, so that what they give has squares that sum to its width.
ModelSpec bare_norm_spec() {
  ModelSpec spec = small_spec();
  spec.norm_weights = false;
  spec.norm_eps = 0;
  spec.tied_head = false;
  return spec;
}

class InputMomentsTest : public ::testing::Test {
 protected:
  InputMomentsTest() {
    options_.loops = model_.spec().default_loops();
    options_.window = 8;
    Random random(2);
    for (int i = 0; i < 41; ++i) text_.documents[0].push_back(static_cast<std::int32_t>(random.below(16)));
  }
  double trace_of(InputMoments& moments, const std::string& tensor, std::size_t columns) {
    const std::span<const float> sums = moments.of(tensor);
    EXPECT_EQ(sums.size(), columns * columns) << tensor;
    double trace = 0;
    for (std::size_t i = 0; i < sums.size(); i += columns + 1) trace += sums[i];
    return trace;
  }
  std::vector<float> all_of(InputMoments& moments) {
    std::vector<float> all;
    for (const TensorInfo& info : tensor_table(model_.spec())) {
      const std::span<const float> sums = moments.of(info.name);
      all.insert(all.end(), sums.begin(), sums.end());
    }
    return all;
  }

  ModelFolder folder_{bare_norm_spec()};
  Model model_ = Model::load(folder_.path());
  EvaluationOptions options_;
  MeasuredText text_{{{}}, {}};
  ThreadPool pool_{2};
};

TEST_F(InputMomentsTest, AreOfEveryPositionAndLoop) {
  InputMoments moments(model_, text_, options_, pool_, {});
  EXPECT_NEAR(trace_of(moments, "groups.0.layers.0.attn.qkv.weight", 16), 40 * 16, 0.01);
  EXPECT_NEAR(trace_of(moments, "groups.1.layers.0.attn.qkv.weight", 16), 40 * 16 * 4, 0.01);
  EXPECT_NEAR(trace_of(moments, "groups.2.layers.1.mlp.up.weight", 16), 40 * 16 * 3, 0.01);
  EXPECT_NEAR(trace_of(moments, "head.weight", 16), 40 * 16, 0.01);
  options_.loops = {1, 2, 1, 1};
  InputMoments shallow(model_, text_, options_, pool_, {});
  EXPECT_NEAR(trace_of(shallow, "groups.1.layers.0.attn.qkv.weight", 16), 40 * 16 * 2, 0.01);
}

TEST_F(InputMomentsTest, OfTheFirstMatrixAreThoseOfTheNormedEmbeddings) {
  InputMoments moments(model_, text_, options_, pool_, {});
  std::vector<double> expected(16 * 16);
  std::vector<float> state(16);
  for (std::size_t t = 0; t < 40; ++t) {
    model_.embed(text_.documents[0][t], state);
    double square = 0;
    for (const float channel : state) square += static_cast<double>(channel) * static_cast<double>(channel) / 16;
    for (std::size_t i = 0; i < 16; ++i) {
      for (std::size_t j = 0; j < 16; ++j) {
        expected[i * 16 + j] += static_cast<double>(state[i]) * static_cast<double>(state[j]) / square;
      }
    }
  }
  const std::span<const float> sums = moments.of("groups.0.layers.0.attn.qkv.weight");
  ASSERT_EQ(sums.size(), expected.size());
  for (std::size_t i = 0; i < sums.size(); ++i) EXPECT_NEAR(sums[i], expected[i], 1e-4) << i;
}

TEST_F(InputMomentsTest, AreTheSumsOverAllThatTheEngineTellsOf) {
  std::map<std::string, std::vector<double>> expected;
  Engine engine(model_, 1);
  engine.observe_inputs([&](const MatrixInput& input) {
    std::vector<double>& sums = expected[input.tensor];
    sums.resize(input.columns * input.columns);
    for (std::size_t k = 0; k < input.rows.size(); ++k) {
      const std::size_t i = k % input.columns;
      const std::span<const float> row = input.rows.subspan(k - i, input.columns);
      for (std::size_t j = 0; j < row.size(); ++j) {
        sums[i * input.columns + j] += static_cast<double>(input.rows[k]) * static_cast<double>(row[j]);
      }
    }
  });
  for (const Window& window : cut_windows(text_, model_.spec(), {options_.window, 0})) {
    Sequence sequence = start_sequence(engine, options_);
    engine.prefill(sequence, window.inputs(), Engine::Logits::all);
  }
  EXPECT_EQ(expected.size(), 4U * 5 + 2);
  InputMoments moments(model_, text_, options_, pool_, {});
  for (const auto& [tensor, sums] : expected) {
    const std::span<const float> got = moments.of(tensor);
    ASSERT_EQ(got.size(), sums.size()) << tensor;
    for (std::size_t i = 0; i < sums.size(); ++i) {
      EXPECT_NEAR(got[i], sums[i], 1e-3) << tensor << " " << i;
    }
  }
}

TEST_F(InputMomentsTest, AreTheSameInOnePassAndInMany) {
  InputMoments at_once(model_, text_, options_, pool_, {});
  int passes = 0;
  const ProgressSink progress = [&](std::int64_t done, std::int64_t total) { passes += done == total ? 1 : 0; };
  InputMoments one_by_one(model_, text_, options_, pool_, progress, 1);
  EXPECT_EQ(all_of(one_by_one), all_of(at_once));
  // Four matrices a layer, five layers, the injection of loop a, and the head.
  EXPECT_EQ(passes, 4 * 5 + 2);
}

TEST_F(InputMomentsTest, NobodyReadsATableOrAMatrixOfAnotherModel) {
  InputMoments moments(model_, text_, options_, pool_, {});
  EXPECT_TRUE(moments.of("embed.weight").empty());
  EXPECT_TRUE(moments.of("final_norm.weight").empty());
  EXPECT_TRUE(moments.of("groups.9.layers.0.attn.qkv.weight").empty());
}

TEST_F(InputMomentsTest, GoByTheNamesThatLoopsGiveTheLayers) {
  ModelSpec plain = bare_norm_spec();
  plain.groups = {plain_group("layers", 4)};
  const ModelFolder folder(plain);
  Model looped = Model::load(folder.path());
  looped.loop_layers(std::vector<LayerLoop>{{1, 2, 3}}, 1.0F, "--loop");
  options_.loops = looped.spec().default_loops();
  InputMoments moments(looped, text_, options_, pool_, {});
  EXPECT_NEAR(trace_of(moments, "groups.0.layers.0.attn.qkv.weight", 16), 40 * 16, 0.01);
  EXPECT_NEAR(trace_of(moments, "groups.1.layers.1.attn.qkv.weight", 16), 40 * 16 * 3, 0.01);
  EXPECT_NEAR(trace_of(moments, "groups.2.layers.0.mlp.up.weight", 16), 40 * 16, 0.01);
}

}  // namespace
}  // namespace gyre::input_moments_test
