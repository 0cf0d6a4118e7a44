#include "engine/prefix_cache.hpp"

#include <gtest/gtest.h>

#include "engine/engine.hpp"
#include "kernels/kernels.hpp"
#include "model_folder.hpp"

namespace gyre::prefix_cache_test {
namespace {

class Prefixes : public ::testing::Test {
 protected:
  static ModelSpec spec() {
    ModelSpec spec = small_spec();
    spec.context = 100;
    return spec;
  }
  [[nodiscard]] Sequence start(const std::string& policy = "latest", std::uint64_t seed = 1, int context = 100) const {
    return engine_.start(loops_, context, parse_kv_policy(policy, "--kv"), seed);
  }
  static std::vector<std::int32_t> text(int count, int from) {
    std::vector<std::int32_t> tokens;
    for (int t = 0; t < count; ++t) tokens.push_back((from + 5 * t + t * t) % 16);
    return tokens;
  }
  Sequence run(const std::vector<std::int32_t>& tokens, const std::string& policy = "latest") {
    Sequence sequence = start(policy);
    engine_.prefill(sequence, tokens, Engine::Logits::none);
    return sequence;
  }

  ModelFolder folder_ = ModelFolder(spec());
  Model model_ = Model::load(folder_.path());
  std::vector<int> loops_ = model_.spec().default_loops();
  Engine engine_ = Engine(model_, 1);
};

TEST_F(Prefixes, GiveTheLongestBeginningInWholePagesAndTheSameLogits) {
  if (kernels().name == "amx") GTEST_SKIP() << "tiles round by the number of rows";
  for (const char* policy : {"latest", "full", "all_or_last"}) {
    PrefixCache cache(std::size_t{1} << 30U);
    const std::vector<std::int32_t> known = text(40, 3);
    cache.keep(run(known, policy), known);
    std::vector<std::int32_t> other = text(37, 3);  // 37 tokens alike: two pages
    other.push_back((known[37] + 1) % 16);
    other.push_back(2);
    std::optional<Sequence> found = cache.find(start(policy), other);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->length, 32);
    const auto got_span = engine_.prefill(*found, std::span(other).subspan(32), Engine::Logits::last);
    const std::vector<float> got(got_span.begin(), got_span.end());
    Sequence alone = start(policy);
    const auto wanted = engine_.prefill(alone, other, Engine::Logits::last);
    EXPECT_EQ(got, std::vector<float>(wanted.begin(), wanted.end())) << policy;
    // The text that is kept is not changed by those that go on from it.
    std::optional<Sequence> again = cache.find(start(policy), known);
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->length, 32);
  }
}

TEST_F(Prefixes, LeaveOneTokenToRun) {
  PrefixCache cache(std::size_t{1} << 30U);
  const std::vector<std::int32_t> known = text(32, 3);
  cache.keep(run(known), known);
  EXPECT_EQ(cache.find(start(), known)->length, 16);
  EXPECT_FALSE(cache.find(start(), std::span(known).first(16)).has_value());
  EXPECT_EQ(cache.find(start(), std::span(known).first(17))->length, 16);
}

TEST_F(Prefixes, AreThoseOfSequencesAlike) {
  PrefixCache cache(std::size_t{1} << 30U);
  const std::vector<std::int32_t> known = text(40, 3);
  cache.keep(run(known), known);
  EXPECT_FALSE(cache.find(start("latest", 2), known).has_value());
  EXPECT_FALSE(cache.find(start("full"), known).has_value());
  EXPECT_FALSE(cache.find(start("last"), known).has_value());
  Sequence fewer = engine_.start({1, 2, 3, 1}, 100, {}, 1);
  EXPECT_FALSE(cache.find(fewer, known).has_value());
  EXPECT_EQ(cache.find(start("latest", 1, 50), known)->cache.context(), 50);
  // Policies that replace what earlier loops wrote are not kept.
  PrefixCache ring(std::size_t{1} << 30U);
  ring.keep(run(known, "last"), known);
  EXPECT_EQ(ring.size(), 0U);
}

TEST_F(Prefixes, HoldWhatRanAtFullDepthAlone) {
  PrefixCache cache(std::size_t{1} << 30U);
  std::vector<std::int32_t> known = text(20, 3);
  Sequence sequence = run(known);
  BoundedExit exit(parse_exit("fixed:loops=1"), {model_.spec(), loops_, {}});
  for (int t = 0; t < 20; ++t) {
    TokenDepth depth;
    known.push_back(1);
    engine_.decode(sequence, 1, &exit, depth);
  }
  EXPECT_EQ(sequence.cache.full_depth(), 20);
  cache.keep(sequence, known);
  EXPECT_EQ(cache.find(start(), known)->length, 16);
}

TEST_F(Prefixes, TakeNoMoreThanTheyMayAndForgetWhatWasUsedLeastRecently) {
  const std::size_t page = run(text(16, 1)).cache.bytes();
  PrefixCache cache(2 * page);
  cache.keep(run(text(16, 1)), text(16, 1));
  cache.keep(run(text(16, 2)), text(16, 2));
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_TRUE(cache.find(start(), text(17, 1)).has_value());  // used: the other one is older now
  cache.keep(run(text(16, 3)), text(16, 3));
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_LE(cache.bytes(), 2 * page);
  EXPECT_TRUE(cache.find(start(), text(17, 1)).has_value());
  EXPECT_FALSE(cache.find(start(), text(17, 2)).has_value());
  EXPECT_TRUE(cache.find(start(), text(17, 3)).has_value());
  cache.keep(run(text(64, 4)), text(64, 4));  // more than there is room for
  EXPECT_EQ(cache.size(), 0U);
  EXPECT_EQ(cache.bytes(), 0U);
}

}  // namespace
}  // namespace gyre::prefix_cache_test
