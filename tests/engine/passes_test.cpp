#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/error.hpp"
#include "engine/engine.hpp"
#include "model_folder.hpp"

namespace gyre::passes_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const std::vector<std::int32_t> kPrompt = {3, 1, 4, 1, 5, 9, 2, 6};

std::vector<float> copy(std::span<const float> logits) { return {logits.begin(), logits.end()}; }

/// Passes over a model of small_spec() whose looped groups start from noise.
class Passes : public ::testing::Test {
 protected:
  static ModelSpec spec() {
    ModelSpec spec = small_spec();
    spec.groups[1].first_state = FirstState::noise;
    spec.groups[2].first_state = FirstState::noise;
    spec.groups[2].injection = Injection::add;
    return spec;
  }
  [[nodiscard]] Sequence start(const std::string& policy = "latest", NoiseStart first = NoiseStart::noise) const {
    return engine_.start(loops_, 24, parse_kv_policy(policy, "--kv"), 7, first);
  }
  [[nodiscard]] BoundedExit exit(const std::string& rule) const {
    return {parse_exit(rule), {model_.spec(), loops_, {}}};
  }

  ModelFolder folder_ = ModelFolder(spec());
  Model model_ = Model::load(folder_.path());
  std::vector<int> loops_ = model_.spec().default_loops();
  Engine engine_ = Engine(model_, 2);
};

TEST_F(Passes, APromptThatIsBrokenOffLeavesTheSequenceAsItWas) {
  for (const char* policy : {"latest", "last", "latest:ring=2", "full", "all_or_last"}) {
    for (const NoiseStart first : {NoiseStart::noise, NoiseStart::previous}) {
      Sequence sequence = start(policy, first);
      Sequence other = start(policy, first);
      const auto twice = [&](std::span<const std::int32_t> tokens) {
        EXPECT_THROW(engine_.prefill(sequence, tokens, Engine::Logits::last,
                                     [](const TracePoint& point) {
                                       if (point.group == 2 && point.loop == 2) throw std::runtime_error("enough");
                                     }),
                     std::runtime_error);
        const std::vector<float> wanted = copy(engine_.prefill(other, tokens, Engine::Logits::last));
        EXPECT_EQ(copy(engine_.prefill(sequence, tokens, Engine::Logits::last)), wanted) << policy;
        EXPECT_EQ(sequence.length, other.length);
      };
      twice(std::span(kPrompt).first(5));
      twice(std::span(kPrompt).subspan(5));
    }
  }
}

TEST_F(Passes, ARuleThatThrowsLeavesEverySequenceOfTheBatchAsItWas) {
  // random deals out depths of its own, so that the rows are at different places when the other rule throws.
  for (const char* policy : {"latest", "last", "full", "all_or_last"}) {
    Sequence first = start(policy);
    Sequence second = start(policy);
    Sequence first_again = start(policy);
    Sequence second_again = start(policy);
    for (Sequence* sequence : {&first, &second, &first_again, &second_again}) {
      engine_.prefill(*sequence, kPrompt, Engine::Logits::none);
    }
    BoundedExit early = exit("fixed:loops=1/1");
    DecodeRow wrong[] = {{&first, 1, &early}, {&second, 99, nullptr}};
    EXPECT_THAT([&] { engine_.decode(wrong); }, ThrowsMessage<Error>(HasSubstr("token 99")));
    DecodeRow rows[] = {{&first, 1, &early}, {&second, 2, nullptr}};
    const std::vector<float> got = copy(engine_.decode(rows));
    DecodeRow again[] = {{&first_again, 1, &early}, {&second_again, 2, nullptr}};
    EXPECT_EQ(got, copy(engine_.decode(again))) << policy;
  }
}

TEST_F(Passes, APromptWithExitsThatIsRefusedMidwayLeavesTheSequenceAsItWas) {
  Sequence sequence = start();
  std::vector<BoundedExit> reading;
  std::vector<BoundedExit> early;
  for (std::size_t t = 0; t < kPrompt.size(); ++t) {
    reading.push_back(exit("kl:tau=1e-9"));
    early.push_back(exit("fixed:loops=2/1"));
  }
  std::vector<TokenDepth> depths;
  EXPECT_THAT([&] { engine_.prefill(sequence, kPrompt, Engine::Logits::last, reading, depths); },
              ThrowsMessage<Error>(HasSubstr("decode=lens")));
  EXPECT_TRUE(depths.empty());
  Sequence fresh = start();
  const std::vector<float> wanted = copy(engine_.prefill(fresh, kPrompt, Engine::Logits::last, early, depths));
  EXPECT_EQ(copy(engine_.prefill(sequence, kPrompt, Engine::Logits::last, early, depths)), wanted);
}

TEST_F(Passes, ARuleThatReadsThroughLaterGroupsIsRefusedInAPromptOfOneTokenToo) {
  Sequence sequence = start();
  std::vector<BoundedExit> exits;
  exits.push_back(exit("kl:tau=1e-9"));
  std::vector<TokenDepth> depths;
  EXPECT_THAT([&] { engine_.prefill(sequence, std::span(kPrompt).first(1), Engine::Logits::last, exits, depths); },
              ThrowsMessage<Error>(HasSubstr("decode=lens")));
}

TEST_F(Passes, ExitsAreOneAToken) {
  Sequence sequence = start();
  std::vector<BoundedExit> exits;
  std::vector<TokenDepth> depths;
  for (std::size_t count : {std::size_t{0}, kPrompt.size() - 1, kPrompt.size() + 1}) {
    while (exits.size() < count) exits.push_back(exit("fixed"));
    EXPECT_THAT([&] { engine_.prefill(sequence, kPrompt, Engine::Logits::last, exits, depths); },
                ThrowsMessage<Error>(HasSubstr("8 tokens and " + std::to_string(count) + " exits")));
  }
  EXPECT_EQ(sequence.length, 0);
}

TEST_F(Passes, ASequenceIsOnceInABatch) {
  Sequence one = start();
  Sequence two = start();
  DecodeRow rows[] = {{&one, 1, nullptr}, {&two, 2, nullptr}, {&one, 3, nullptr}};
  EXPECT_THAT([&] { engine_.decode(rows); }, ThrowsMessage<Error>(HasSubstr("twice in one batch of 3")));
  EXPECT_EQ(one.length, 0);
}

TEST_F(Passes, TheLastStateOfTheTokenBeforeIsWhereTheNextStarts) {
  Sequence sequence = start("latest", NoiseStart::previous);
  std::vector<std::vector<float>> left(model_.groups().size());
  std::vector<std::vector<float>> entered(model_.groups().size());
  const TraceSink trace = [&](const TracePoint& point) {
    const auto group = static_cast<std::size_t>(point.group);
    std::vector<float> states(point.states.end() - 16, point.states.end());
    (point.loop == 0 ? entered : left)[group] = std::move(states);
  };
  engine_.prefill(sequence, std::span(kPrompt).first(1), Engine::Logits::none, trace);
  for (const std::int32_t token : {1, 2, 3}) {
    const std::vector<std::vector<float>> before = left;
    engine_.prefill(sequence, {&token, 1}, Engine::Logits::none, trace);
    EXPECT_EQ(entered[1], before[1]);
    EXPECT_EQ(entered[2], before[2]);
    EXPECT_NE(entered[3], before[3]);  // no group that starts from noise
  }
}

TEST_F(Passes, ACacheBeyondAllMemoryIsRefused) {
  ModelSpec spec = small_spec();
  spec.heads = spec.kv_heads = 1 << 12;
  spec.head_size = 1 << 12;
  for (Group& group : spec.groups) group.layers = 1 << 10;
  // 2^12 heads of 2^14 bytes in 2^24 slots at 2^30 positions are 2^80 bytes, which wrap to 2^16.
  const int most = std::numeric_limits<int>::max();
  EXPECT_THAT(
      [&] {
        KvCache(spec, {4096, 4096, 4096, 4096}, 1 << 30, {});
      },
      ThrowsMessage<Error>(HasSubstr("need more memory than there can be")));
  EXPECT_THAT(
      [&] {
        KvCache(spec, {4096, 4096, 4096, 4096}, most, {});
      },
      ThrowsMessage<Error>(HasSubstr("smaller context")));
}

}  // namespace
}  // namespace gyre::passes_test
