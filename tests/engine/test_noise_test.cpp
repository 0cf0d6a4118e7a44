#include "engine/test_noise.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "engine/engine.hpp"
#include "engine/prefix_cache.hpp"
#include "engine/reference.hpp"
#include "kernels/kernels.hpp"
#include "model_folder.hpp"

namespace gyre::test_noise_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr std::uint64_t kSeed = 11;

TestNoise noise_of(const std::string& text) { return parse_test_noise(text, "--test-noise"); }

TEST(TestNoise, IsReadAndWritten) {
  for (const char* text : {"fixed=0.1", "geom=0.5", "sqrt=1", "line=0.25", "chi=2", "none"}) {
    EXPECT_EQ(name_of(noise_of(text)), text);
  }
  EXPECT_FALSE(noise_of("").there());
  EXPECT_FALSE(noise_of("line=0").there());
  EXPECT_TRUE(noise_of("line=0.1").there());
  for (const char* text : {"fixed", "fixed=", "fixed=x", "fixed=-1", "fixed=0.1,", "fixed=nan", "none=1"}) {
    EXPECT_THAT([&] { noise_of(text); }, ThrowsMessage<Error>(HasSubstr("as in fixed=0.1"))) << text;
  }
  EXPECT_THAT([] { noise_of("loud=1"); }, ThrowsMessage<Error>(HasSubstr("fixed, geom, sqrt, line or chi")));
}

TEST(TestNoise, IsRefusedWhereNoGroupTakesIt) {
  ModelSpec spec = small_spec();
  EXPECT_THAT([&] { require_noisy_group(noise_of("fixed=1"), spec, "--test-noise"); },
              ThrowsMessage<Error>(HasSubstr("--test-noise: no group of small")));
  EXPECT_NO_THROW(require_noisy_group(noise_of("fixed=0"), spec, "--test-noise"));
  spec.groups[2].first_state = FirstState::noise;  // without injection noise would be all that it knows
  EXPECT_THROW(require_noisy_group(noise_of("fixed=1"), spec, "--test-noise"), Error);
  spec.groups[1].first_state = FirstState::noise;
  EXPECT_NO_THROW(require_noisy_group(noise_of("fixed=1"), spec, "--test-noise"));
}

/// A random model with a group that takes noise.
ModelSpec noisy_spec(std::uint64_t seed) {
  ModelSpec spec = random_spec(seed);
  spec.context = 16;
  Group& group = spec.groups.front();
  group.first_state = FirstState::noise;
  group.bare_first_loop = false;
  group.noise_std = 0.7F;
  group.loops = 3;
  if (group.injection == Injection::none) group.injection = Injection::add;
  return spec;
}

class NoisyRuns : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  NoisyRuns() : folder_(noisy_spec(GetParam())), model_(Model::load(folder_.path())) {}

  [[nodiscard]] std::int32_t token(int t) const { return (7 * t + 3) % model_.spec().vocab_size; }
  [[nodiscard]] std::vector<std::int32_t> tokens(int count) const {
    std::vector<std::int32_t> all;
    for (int t = 0; t < count; ++t) all.push_back(token(t));
    return all;
  }
  [[nodiscard]] Sequence start(const Engine& engine, const std::string& noise, std::uint64_t seed = kSeed) const {
    Sequence sequence = engine.start(model_.spec().default_loops(), 16, {}, seed);
    sequence.test_noise = noise_of(noise);
    return sequence;
  }
  [[nodiscard]] std::vector<float> prefill(Engine& engine, const std::string& noise, std::uint64_t seed = kSeed) const {
    Sequence sequence = start(engine, noise, seed);
    const std::span<const float> all = engine.prefill(sequence, tokens(6), Engine::Logits::all);
    return {all.begin(), all.end()};
  }

  ModelFolder folder_;
  Model model_;
};

TEST_P(NoisyRuns, GiveTheLogitsOfTheDefinition) {
  Engine engine(model_, 1);
  const auto vocabulary = static_cast<std::size_t>(model_.spec().vocab_size);
  for (const char* noise : {"none", "fixed=0.4", "geom=0.6", "sqrt=0.5", "line=0.2", "chi=0.4"}) {
    const std::vector<float> got = prefill(engine, noise);
    Reference reference(model_.spec(), folder_.weights(), {}, kSeed);
    reference.noise = noise_of(noise);
    reference.context = 16;
    for (std::size_t t = 0; t < 6; ++t) {
      const std::vector<double> wanted = reference.next(token(static_cast<int>(t)), model_.spec().default_loops());
      double most = 1;
      for (const double value : wanted) most = std::max(most, std::abs(value));
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        ASSERT_NEAR(static_cast<double>(got[t * vocabulary + i]), wanted[i], 2e-4 * most) << noise << ", token " << t;
      }
    }
  }
}

TEST_P(NoisyRuns, AreTheSameWhateverTheThreadsPiecesAndBatch) {
  if (kernels().name == "amx") GTEST_SKIP() << "tiles round by the number of rows";
  Engine one(model_, 1);
  const auto vocabulary = static_cast<std::ptrdiff_t>(model_.spec().vocab_size);
  for (const char* noise : {"fixed=0.4", "chi=0.4"}) {
    const std::vector<float> wanted = prefill(one, noise);
    Engine engine(model_, 1 + static_cast<int>(GetParam()) % 8);
    EXPECT_EQ(prefill(engine, noise), wanted) << engine.threads();
    Sequence piece = start(engine, noise);
    engine.prefill(piece, tokens(2), Engine::Logits::none);
    Sequence forked = piece.fork();
    Sequence other = start(engine, "none");
    std::vector<DecodeRow> batch = {{&other, token(4)}, {&forked, token(2)}};
    const std::span<const float> rows = engine.decode(batch);
    EXPECT_EQ(std::vector<float>(rows.begin() + vocabulary, rows.end()),
              std::vector<float>(wanted.begin() + 2 * vocabulary, wanted.begin() + 3 * vocabulary));
    EXPECT_NE(prefill(one, "none"), wanted);
    EXPECT_NE(prefill(one, noise, kSeed + 1), wanted);
  }
  EXPECT_EQ(prefill(one, "line=0"), prefill(one, "none"));
}

INSTANTIATE_TEST_SUITE_P(Seeds, NoisyRuns, ::testing::Range(std::uint64_t{1}, std::uint64_t{17}));

TEST(NoisyPrefixes, AreKeptApart) {
  ModelSpec spec = noisy_spec(3);
  spec.context = 40;
  const ModelFolder folder(spec);
  const Model model = Model::load(folder.path());
  Engine engine(model, 1);
  std::vector<std::int32_t> tokens;
  for (int t = 0; t < 36; ++t) tokens.push_back(t % spec.vocab_size);
  Sequence plain = engine.start(spec.default_loops(), 40, {}, kSeed);
  engine.prefill(plain, tokens, Engine::Logits::none);
  PrefixCache cache(1U << 24U);
  cache.keep(plain, tokens);
  Sequence like = engine.start(spec.default_loops(), 40, {}, kSeed);
  EXPECT_TRUE(cache.find(like, tokens));
  like.test_noise = noise_of("fixed=0.1");
  EXPECT_FALSE(cache.find(like, tokens));
}

}  // namespace
}  // namespace gyre::test_noise_test
