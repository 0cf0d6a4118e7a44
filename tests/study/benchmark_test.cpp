#include "study/benchmark.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "model_folder.hpp"

namespace gyre::benchmark_test {
namespace {

using ::testing::Each;
using ::testing::Gt;
using ::testing::SizeIs;

class Benchmark : public ::testing::Test {
 protected:
  /// Three rounds of two texts, five tokens each.
  BenchmarkOptions small() const {
    BenchmarkOptions options;
    options.loops = model_.spec().default_loops();
    options.prompt = 4;
    options.tokens = 5;
    options.batch = 2;
    options.rounds = 3;
    return options;
  }
  BenchmarkResult measure(const std::string& exit) {
    BenchmarkOptions options = small();
    if (!exit.empty()) options.exit = parse_exit(exit);
    Engine engine(model_, 1);
    return benchmark(engine, options, [this](std::int64_t done, std::int64_t) { done_ = done; });
  }

  ModelFolder folder_;
  Model model_ = Model::load(folder_.path());
  std::int64_t done_ = 0;
};

TEST_F(Benchmark, GivesASpeedForEveryRoundButTheFirst) {
  const BenchmarkResult result = measure("");
  EXPECT_THAT(result.prompt, SizeIs(3));
  EXPECT_THAT(result.prompt, Each(Gt(0)));
  EXPECT_THAT(result.generation, SizeIs(3));
  EXPECT_THAT(result.generation, Each(Gt(0)));
  EXPECT_EQ(done_, 4);
}

TEST_F(Benchmark, CountsTheLoopsOfItsTokens) {
  EXPECT_EQ(measure("").loops_per_token, 4 + 3);
  EXPECT_EQ(measure("fixed:loops=2").loops_per_token, 2 + 2);
}

TEST_F(Benchmark, DecodesBehindAsManyTokensAsAreAskedFor) {
  BenchmarkOptions options = small();
  options.prompt = 0;
  options.behind = 7;
  Engine engine(model_, 1);
  std::map<std::size_t, int> passes;  // by the rows that went in together
  engine.observe_inputs([&](const MatrixInput& input) {
    if (input.tensor == "groups.0.layers.0.attn.qkv.weight") ++passes[input.rows.size() / input.columns];
  });
  benchmark(engine, options, [](std::int64_t, std::int64_t) {});
  // In each round, the one that warms up among them, two texts of seven tokens go in, and five times a token of each.
  EXPECT_EQ(passes, (std::map<std::size_t, int>{{7, 4 * 2}, {2, 4 * 5}}));
}

TEST_F(Benchmark, DecodesFromTheFirstStatesAskedFor) {
  // A group that starts from its last state, or from zero, moves otherwise than one that starts from strong noise.
  ModelSpec spec = small_spec();
  spec.groups[1].first_state = FirstState::noise;
  spec.groups[1].noise_std = 30;
  const ModelFolder folder(spec);
  const Model model = Model::load(folder.path());
  BenchmarkOptions options;
  options.loops = spec.default_loops();
  options.prompt = 0;
  options.tokens = 20;
  options.rounds = 2;
  options.exit = parse_exit("step:tau=0.5");
  Engine engine(model, 1);
  const auto loops = [&](NoiseStart start) {
    options.start = start;
    return benchmark(engine, options, [](std::int64_t, std::int64_t) {}).loops_per_token;
  };
  EXPECT_NE(loops(NoiseStart::zero), loops(NoiseStart::noise));
  // Its tokens are drawn from the seed.
  const double one = loops(NoiseStart::zero);
  EXPECT_EQ(loops(NoiseStart::zero), one);
  options.seed = 2;
  EXPECT_NE(loops(NoiseStart::zero), one);
}

}  // namespace
}  // namespace gyre::benchmark_test
