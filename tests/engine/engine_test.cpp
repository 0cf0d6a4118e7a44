#include "engine/engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "engine/reference.hpp"

namespace gyre::engine_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// Within 1e-4 of the largest logit: one near 0 is a difference of numbers of that size.
void expect_close(std::span<const float> got, const std::vector<double>& want, const std::string& where) {
  ASSERT_EQ(got.size(), want.size()) << where;
  double largest = 1;
  for (const double logit : want) largest = std::max(largest, std::abs(logit));
  for (std::size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(got[i]), want[i], 1e-4 * largest) << where << ", logit " << i;
  }
}

std::vector<std::int32_t> random_tokens(const ModelSpec& spec, std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<std::int32_t> tokens;
  while (tokens.size() < count) {
    tokens.push_back(static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(spec.vocab_size))));
  }
  return tokens;
}

std::string describe(const ModelSpec& spec) { return to_json(spec).dump(); }

/// Every KV policy that the spec allows, those with numbers at one that differs from its neighbours within four loops.
std::vector<KvPolicy> every_policy(const ModelSpec& spec) {
  std::vector<KvPolicy> policies;
  for (const char* name :
       {"latest", "last", "latest:ring=2", "latest:run=2", "latest:anchor=1", "full", "all_or_last"}) {
    const KvPolicy policy = parse_kv_policy(name, "--kv");
    if (allows(spec, policy)) policies.push_back(policy);
  }
  return policies;
}

/// A rule that gives every token a depth of its own: draws from 1 … 4 in every looped group.
BoundedExit random_depths(const ModelSpec& spec, const std::vector<int>& loops) {
  return BoundedExit(parse_exit("random:weights=2/1/1/1,seed=3"), {spec, loops, {}});
}

/// With room for the sequences of every test. Layers that were never trained multiply what is rounded, so that groups
/// of many runs loop less.
ModelSpec roomy_spec(int seed) {
  ModelSpec spec = random_spec(static_cast<std::uint64_t>(seed));
  for (Group& group : spec.groups) {
    if (group.runs() > 2) group.loops = std::min(group.loops, 2);
  }
  spec.context = std::max(spec.context, 12);
  return spec;
}

class RandomSpec : public ::testing::TestWithParam<int> {
 protected:
  RandomSpec() : folder_(roomy_spec(GetParam())), model_(Model::load(folder_.path())) {}

  [[nodiscard]] const ModelSpec& spec() const { return folder_.spec(); }
  [[nodiscard]] Reference reference(KvPolicy policy) const { return {spec(), folder_.weights(), policy, kNoise}; }

  static constexpr std::uint64_t kNoise = 11;
  ModelFolder folder_;
  Model model_;
};

TEST_P(RandomSpec, PrefillMatchesTheDefinitions) {
  SCOPED_TRACE(describe(spec()));
  const std::vector<std::int32_t> tokens = random_tokens(spec(), 7, 5);
  Engine engine(model_, 1);
  Sequence sequence = engine.start(spec().default_loops(), 8, KvPolicy{}, kNoise);
  const std::span<const float> logits = engine.prefill(sequence, tokens, Engine::Logits::all);
  const auto vocabulary = static_cast<std::size_t>(spec().vocab_size);
  Reference wanted = reference(KvPolicy{});
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    expect_close(logits.subspan(t * vocabulary, vocabulary), wanted.next(tokens[t], spec().default_loops()),
                 "position " + std::to_string(t));
  }
  EXPECT_EQ(sequence.length, 7);
}

TEST_P(RandomSpec, DecodeMatchesTheDefinitionsAtEveryDepthUnderEveryPolicy) {
  SCOPED_TRACE(describe(spec()));
  const std::vector<int> loops = spec().default_loops();
  const std::vector<std::int32_t> tokens = random_tokens(spec(), 8, 6);
  for (const KvPolicy& policy : every_policy(spec())) {
    BoundedExit exit = random_depths(spec(), loops);
    Engine engine(model_, 1);
    Sequence sequence = engine.start(loops, 8, policy, kNoise);
    Reference wanted = reference(policy);
    TokenDepth depth;
    for (const std::int32_t token : tokens) {
      const std::span<const float> logits = engine.decode(sequence, token, &exit, depth);
      expect_close(logits, wanted.next(token, depth.loops), std::string(name_of(policy)));
    }
  }
}

TEST_P(RandomSpec, APromptFollowedByDecodingMatchesTheDefinitionsUnderEveryPolicy) {
  SCOPED_TRACE(describe(spec()));
  const std::vector<int> loops = spec().default_loops();
  const std::vector<std::int32_t> tokens = random_tokens(spec(), 8, 7);
  for (const KvPolicy& policy : every_policy(spec())) {
    BoundedExit exit = random_depths(spec(), loops);
    Engine engine(model_, 1);
    Sequence sequence = engine.start(loops, 8, policy, kNoise);
    Reference wanted = reference(policy);
    engine.prefill(sequence, std::span(tokens).first(4), Engine::Logits::none);
    for (std::size_t t = 0; t < 4; ++t) wanted.next(tokens[t], loops, 0);
    TokenDepth depth;
    for (std::size_t t = 4; t < tokens.size(); ++t) {
      const std::span<const float> logits = engine.decode(sequence, tokens[t], &exit, depth);
      expect_close(logits, wanted.next(tokens[t], depth.loops), std::string(name_of(policy)));
    }
  }
}

/// A constant rule of these depths; nothing when no group loops.
std::optional<BoundedExit> exit_at(const ModelSpec& spec, const std::vector<int>& most,
                                   const std::vector<int>& depths) {
  std::string text;
  for (std::size_t g = 0; g < most.size(); ++g) {
    if (most[g] > 1) text += (text.empty() ? "" : "/") + std::to_string(depths[g]);
  }
  if (text.empty()) return std::nullopt;
  return BoundedExit(parse_exit("fixed:loops=" + text), {spec, most, {}});
}

TEST_P(RandomSpec, APromptWithExitsGivesWhatDecodingItsTokensGives) {
  SCOPED_TRACE(describe(spec()));
  constexpr float kBothRounded = 2e-4F;  // each of the two may be 1e-4 off the definitions
  const std::vector<int> loops = spec().default_loops();
  const std::vector<std::int32_t> tokens = random_tokens(spec(), 7, 11);
  Engine engine(model_, 2);
  Sequence whole = engine.start(loops, 8, KvPolicy{}, kNoise);
  Sequence alone = engine.start(loops, 8, KvPolicy{}, kNoise);
  std::vector<BoundedExit> exits;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    exits.push_back(BoundedExit(parse_exit("random:weights=2/1/1/1"), {spec(), loops, {}}, t));
  }
  std::vector<TokenDepth> depths;
  const auto prompt = engine.prefill(whole, tokens, Engine::Logits::all, exits, depths);
  const std::vector<float> all(prompt.begin(), prompt.end());
  ASSERT_EQ(depths.size(), tokens.size());
  const std::size_t vocabulary = all.size() / tokens.size();
  TokenDepth ran;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    std::optional<BoundedExit> same = exit_at(spec(), loops, depths[t].loops);
    const std::span<const float> wanted = engine.decode(alone, tokens[t], same ? &*same : nullptr, ran);
    EXPECT_EQ(ran.loops, depths[t].loops);
    for (std::size_t i = 0; i < vocabulary; ++i) {
      ASSERT_NEAR(all[t * vocabulary + i], wanted[i], kBothRounded * (1 + std::abs(wanted[i]))) << "token " << t;
    }
  }
  // A deeper token behind it reads what the prompt left.
  const std::span<const float> logits = engine.decode(whole, tokens[0], nullptr, ran);
  const std::vector<float> next(logits.begin(), logits.end());
  const std::span<const float> wanted = engine.decode(alone, tokens[0], nullptr, ran);
  for (std::size_t i = 0; i < vocabulary; ++i)
    ASSERT_NEAR(next[i], wanted[i], kBothRounded * (1 + std::abs(wanted[i])));
}

TEST_P(RandomSpec, SequencesDecodedTogetherGiveWhatEachGivesAlone) {
  SCOPED_TRACE(describe(spec()));
  constexpr std::size_t kSequences = 5;
  const std::vector<int> loops = spec().default_loops();
  Engine engine(model_, 2);
  std::vector<Sequence> together;
  std::vector<Sequence> alone;
  std::vector<BoundedExit> exits;
  for (std::size_t s = 0; s < kSequences; ++s) {
    KvPolicy policy = parse_kv_policy(s % 2 == 0 ? "latest" : "last", "--kv");
    if (!allows(spec(), policy)) policy = parse_kv_policy("all_or_last", "--kv");
    together.push_back(engine.start(loops, 12, policy, kNoise + s));
    alone.push_back(engine.start(loops, 12, policy, kNoise + s));
    exits.push_back(BoundedExit(parse_exit("random:weights=2/1/1/1"), {spec(), loops, {}}, s));
    // Of different lengths before they meet.
    const std::vector<std::int32_t> prompt = random_tokens(spec(), s + 1, s);
    engine.prefill(together[s], prompt, Engine::Logits::none);
    engine.prefill(alone[s], prompt, Engine::Logits::none);
  }
  const auto vocabulary = static_cast<std::size_t>(spec().vocab_size);
  for (int step = 0; step < 5; ++step) {
    std::vector<DecodeRow> batch;
    for (std::size_t s = 0; s < kSequences; ++s) {
      const std::int32_t token = random_tokens(spec(), 1, 100 * s + static_cast<std::size_t>(step)).front();
      batch.push_back({&together[s], token, s == 3 ? nullptr : &exits[s]});
    }
    const std::span<const float> logits = engine.decode(batch);
    const std::vector<float> all(logits.begin(), logits.end());
    for (std::size_t s = 0; s < kSequences; ++s) {
      std::optional<BoundedExit> same = exit_at(spec(), loops, batch[s].depth.loops);
      TokenDepth ran;
      const std::span<const float> wanted = engine.decode(alone[s], batch[s].token, same ? &*same : nullptr, ran);
      EXPECT_EQ(ran.loops, batch[s].depth.loops);
      for (std::size_t i = 0; i < vocabulary; ++i) {
        const float want = wanted[i];
        ASSERT_NEAR(all[s * vocabulary + i], want, 1e-4F * (1 + std::abs(want)))
            << "sequence " << s << ", step " << step;
      }
    }
  }
}

TEST_P(RandomSpec, TwoThreadsGiveTheLogitsOfOne) {
  SCOPED_TRACE(describe(spec()));
  const std::vector<std::int32_t> tokens = random_tokens(spec(), 8, 8);
  Engine one(model_, 1);
  Engine two(model_, 2);
  Sequence first = one.start(spec().default_loops(), 8, KvPolicy{}, kNoise);
  Sequence second = two.start(spec().default_loops(), 8, KvPolicy{}, kNoise);
  const std::span<const float> a = one.prefill(first, tokens, Engine::Logits::all);
  const std::span<const float> b = two.prefill(second, tokens, Engine::Logits::all);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-5F * (1 + std::abs(a[i])));
}

INSTANTIATE_TEST_SUITE_P(Specs, RandomSpec, ::testing::Range(1, 49));

class SmallModel : public ::testing::Test {
 protected:
  ModelFolder folder_;
  Model model_ = Model::load(folder_.path());
  std::vector<int> loops_ = model_.spec().default_loops();
};

TEST_F(SmallModel, ALargerBatchOnTwoThreadsGivesTheLogitsOfOne) {
  // Wide enough that matrix products and attention are really shared out.
  ModelSpec spec = small_spec();
  spec.hidden_size = 96;
  spec.ffn_size = 200;
  spec.head_size = 24;
  spec.context = 64;
  const ModelFolder folder(spec);
  const Model model = Model::load(folder.path());
  const std::vector<std::int32_t> tokens = random_tokens(spec, 64, 8);
  Engine one(model, 1);
  Engine two(model, 2);
  Sequence first = one.start(spec.default_loops(), 64, KvPolicy{}, 1);
  Sequence second = two.start(spec.default_loops(), 64, KvPolicy{}, 1);
  const std::span<const float> a = one.prefill(first, tokens, Engine::Logits::all);
  const std::span<const float> b = two.prefill(second, tokens, Engine::Logits::all);
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-5F * (1 + std::abs(a[i])));
}

TEST(LearnedPositions, EndTheContext) {
  ModelSpec spec = ModelFolder().spec();
  spec.position = PositionKind::learned;
  const ModelFolder folder(spec);
  const Model model = Model::load(folder.path());
  Engine engine(model, 1);
  Sequence sequence = engine.start(spec.default_loops(), spec.context + 1, {}, 1);
  EXPECT_EQ(sequence.cache.context(), spec.context);
  const std::vector<std::int32_t> tokens(static_cast<std::size_t>(spec.context) + 1);
  EXPECT_THAT([&] { engine.prefill(sequence, tokens, Engine::Logits::none); },
              ThrowsMessage<Error>(HasSubstr("25 tokens do not fit: 24 of 24 positions")));
}

TEST_F(SmallModel, DecodingTokenByTokenGivesThePromptsLogits) {
  const std::vector<std::int32_t> tokens = random_tokens(model_.spec(), 12, 9);
  Engine engine(model_, 1);
  Sequence whole = engine.start(loops_, 12, KvPolicy{}, 1);
  const std::span<const float> last = engine.prefill(whole, tokens, Engine::Logits::last);
  const std::vector<float> wanted(last.begin(), last.end());
  Sequence sequence = engine.start(loops_, 12, KvPolicy{}, 1);
  TokenDepth depth;
  std::span<const float> logits;
  for (const std::int32_t token : tokens) logits = engine.decode(sequence, token, nullptr, depth);
  for (std::size_t i = 0; i < wanted.size(); ++i) ASSERT_NEAR(logits[i], wanted[i], 1e-5F);
}

TEST_F(SmallModel, AnEarlyExitLeavesItsLastLoopInTheSlotsItNeverRan) {
  Engine engine(model_, 1);
  Sequence sequence = engine.start(loops_, 4, KvPolicy{}, 1);
  BoundedExit exit(parse_exit("fixed:loops=2/1"), {model_.spec(), loops_, {}});
  TokenDepth depth;
  engine.decode(sequence, 3, &exit, depth);
  EXPECT_EQ(depth.loops, (std::vector<int>{1, 2, 1, 1}));
  EXPECT_EQ(depth.reasons, (std::vector<std::string_view>{"", "fixed", "fixed", ""}));
  const auto row = [&](std::size_t group, int layer, int loop) {
    std::vector<float> keys;
    for (std::size_t head = 0; head < static_cast<std::size_t>(model_.spec().kv_heads); ++head) {
      std::vector<float> key(static_cast<std::size_t>(model_.spec().head_size));
      const KvPages pages = sequence.cache.head(sequence.cache.slot(group, layer, loop), head);
      read_kv_key(pages.type, pages.keys_of(0), 0, key);
      keys.insert(keys.end(), key.begin(), key.end());
    }
    return keys;
  };
  EXPECT_NE(row(1, 0, 0), row(1, 0, 1));  // two loops really ran
  EXPECT_EQ(row(1, 0, 1), row(1, 0, 2));  // and stand in for the third and fourth
  EXPECT_EQ(row(1, 0, 1), row(1, 0, 3));
  for (const int layer : {0, 1}) {
    EXPECT_EQ(row(2, layer, 0), row(2, layer, 1));
    EXPECT_EQ(row(2, layer, 0), row(2, layer, 2));
  }
}

TEST_F(SmallModel, NarrowKeysAndValuesStayCloseAtEveryDepth) {
  const std::vector<std::int32_t> tokens = random_tokens(model_.spec(), 12, 5);
  Engine engine(model_, 1);
  const auto run = [&](KvType type) {
    KvPolicy policy;
    policy.type = type;
    Sequence sequence = engine.start(loops_, 16, policy, 1);
    BoundedExit exit(parse_exit("random:weights=1/1/1/1"), {model_.spec(), loops_, {}});
    TokenDepth depth;
    engine.prefill(sequence, std::span(tokens).first(4), Engine::Logits::none);
    std::vector<float> all;
    for (std::size_t t = 4; t < tokens.size(); ++t) {
      const std::span<const float> logits = engine.decode(sequence, tokens[t], &exit, depth);
      all.insert(all.end(), logits.begin(), logits.end());
    }
    return all;
  };
  const std::vector<float> wanted = run(KvType::f32);
  for (const KvType type : {KvType::bf16, KvType::q8_0}) {
    const std::vector<float> got = run(type);
    float worst = 0;
    float largest = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      worst = std::max(worst, std::abs(got[i] - wanted[i]));
      largest = std::max(largest, std::abs(wanted[i]));
    }
    EXPECT_GT(worst, 0) << name_of(type);
    EXPECT_LT(worst, 0.02F * largest) << name_of(type);
  }
}

TEST_F(SmallModel, ExitsInAPromptRefuseWhatTheyCannotKeep) {
  Engine engine(model_, 1);
  const std::vector<std::int32_t> tokens = {1, 2, 3};
  const auto run = [&](const std::string& policy, const std::string& rule) {
    Sequence sequence = engine.start(loops_, 4, parse_kv_policy(policy, "--kv"), 1);
    std::vector<BoundedExit> exits;
    for (std::size_t t = 0; t < tokens.size(); ++t)
      exits.push_back(BoundedExit(parse_exit(rule), {model_.spec(), loops_, {}}));
    std::vector<TokenDepth> depths;
    engine.prefill(sequence, tokens, Engine::Logits::none, exits, depths);
  };
  EXPECT_NO_THROW(run("last", "kl:tau=0.1,decode=lens"));
  EXPECT_THAT([&] { run("full", "fixed"); }, ThrowsMessage<Error>(HasSubstr("not full")));
  EXPECT_THAT([&] { run("latest", "kl:tau=1e-9"); }, ThrowsMessage<Error>(HasSubstr("decode=lens")));
}

TEST_F(SmallModel, AllLoopsRunWithTheReasonEndWhenNoRuleFires) {
  Engine engine(model_, 1);
  Sequence sequence = engine.start(loops_, 4, KvPolicy{}, 1);
  BoundedExit exit(parse_exit("step:tau=0"), {model_.spec(), loops_, {}});
  TokenDepth depth;
  engine.decode(sequence, 3, &exit, depth);
  EXPECT_EQ(depth.loops, loops_);
  EXPECT_EQ(depth.reasons, (std::vector<std::string_view>{"", "end", "end", ""}));
}

TEST_F(SmallModel, DecodingAheadForTheKlRuleChangesNoLogits) {
  // A threshold of zero never fires, so the many trial decodings must leave the cache as it was.
  for (const KvPolicy policy : {KvPolicy{}, parse_kv_policy("last", "--kv")}) {
    for (const char* rule : {"kl:tau=0,decode=coda", "kl:tau=0,decode=lens"}) {
      Engine engine(model_, 1);
      Sequence plain = engine.start(loops_, 8, policy, 1);
      Sequence asked = engine.start(loops_, 8, policy, 1);
      BoundedExit exit(parse_exit(rule), {model_.spec(), loops_, {}});
      TokenDepth depth;
      for (const std::int32_t token : random_tokens(model_.spec(), 8, 10)) {
        const std::span<const float> logits = engine.decode(plain, token, nullptr, depth);
        const std::vector<float> wanted(logits.begin(), logits.end());
        const std::span<const float> got = engine.decode(asked, token, &exit, depth);
        ASSERT_EQ(std::vector<float>(got.begin(), got.end()), wanted) << rule;
      }
    }
  }
}

TEST_F(SmallModel, TheLastPolicyKeepsOneSlotALayer) {
  const KvCache per_loop(model_.spec(), loops_, 4, KvPolicy{});
  const KvCache last(model_.spec(), loops_, 4, parse_kv_policy("last", "--kv"));
  const auto token = static_cast<std::size_t>(model_.spec().kv_size()) * 2 * sizeof(float);
  EXPECT_EQ(per_loop.bytes_per_token(), token * (1 + 4 + 2 * 3 + 1));
  EXPECT_EQ(last.bytes_per_token(), token * (1 + 1 + 2 + 1));
}

TEST_F(SmallModel, TheTraceShowsEveryLoopOfEveryGroupAndEndsInTheLogits) {
  Engine engine(model_, 1);
  Sequence sequence = engine.start(loops_, 4, KvPolicy{}, 1);
  std::vector<std::pair<int, int>> points;
  std::vector<float> final_states;
  const std::vector<std::int32_t> tokens = {1, 2, 3};
  const auto logits = engine.prefill(sequence, tokens, Engine::Logits::all, [&](const TracePoint& point) {
    points.emplace_back(point.group, point.loop);
    EXPECT_EQ(point.states.size(), 3U * 16U);
    final_states.assign(point.states.begin(), point.states.end());
  });
  const std::vector<float> wanted(logits.begin(), logits.end());
  EXPECT_EQ(
      points,
      (std::vector<std::pair<int, int>>{
          {0, 0}, {0, 1}, {1, 0}, {1, 1}, {1, 2}, {1, 3}, {1, 4}, {2, 0}, {2, 1}, {2, 2}, {2, 3}, {3, 0}, {3, 1}}));
  const auto decoded = engine.head(final_states);
  EXPECT_EQ(std::vector<float>(decoded.begin(), decoded.end()), wanted);
}

TEST_F(SmallModel, MistakesInTokensAreNamed) {
  Engine engine(model_, 1);
  Sequence sequence = engine.start(loops_, 4, KvPolicy{}, 1);
  TokenDepth depth;
  const std::vector<std::int32_t> five(5, 1);
  EXPECT_THAT([&] { engine.prefill(sequence, {}, Engine::Logits::last); }, ThrowsMessage<Error>(HasSubstr("empty")));
  EXPECT_THAT([&] { engine.prefill(sequence, five, Engine::Logits::last); },
              ThrowsMessage<Error>(HasSubstr("5 tokens do not fit: 4 of 4")));
  EXPECT_THAT([&] { engine.decode(sequence, 16, nullptr, depth); },
              ThrowsMessage<Error>(HasSubstr("token 16 is outside the vocabulary of 16")));
  EXPECT_THAT([&] { engine.decode(sequence, -1, nullptr, depth); }, ThrowsMessage<Error>(HasSubstr("token -1")));
  EXPECT_EQ(sequence.length, 0);
  engine.prefill(sequence, std::span(five).first(4), Engine::Logits::none);
  EXPECT_THAT([&] { engine.decode(sequence, 1, nullptr, depth); }, ThrowsMessage<Error>(HasSubstr("0 of 4")));
}

TEST(KvPolicyNames, AreReadBackAndMistakesListThem) {
  for (const char* name : {"latest", "last", "full", "latest:ring=4", "latest:run=2", "latest:anchor=8"}) {
    EXPECT_EQ(name_of(parse_kv_policy(name, "--kv")), name);
  }
  EXPECT_EQ(name_of(parse_kv_policy("available", "--kv")), "latest");
  EXPECT_EQ(name_of(parse_kv_policy("latest:ring=1", "--kv")), "last");
  for (const char* wrong : {"latest:ring=0", "latest:ring=", "latest:ring=4x", "latest:loop=2", "last:ring=2"}) {
    EXPECT_THAT([&] { parse_kv_policy(wrong, "--kv"); }, ThrowsMessage<Error>(HasSubstr(wrong)));
  }
  EXPECT_THAT([] { parse_kv_policy("all", "--kv"); }, ThrowsMessage<Error>(HasSubstr("--kv: \"all\"")));
}

}  // namespace
}  // namespace gyre::engine_test
