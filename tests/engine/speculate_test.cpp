#include "engine/speculate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>

#include "base/error.hpp"
#include "kernels/kernels.hpp"
#include "model_folder.hpp"

namespace gyre::speculate_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const std::vector<std::int32_t> kPrompt = {3, 1, 4, 1, 5};

class Speculation : public ::testing::Test {
 protected:
  static ModelSpec spec() {
    ModelSpec spec = small_spec();
    spec.context = 200;
    return spec;
  }
  [[nodiscard]] Sequence start(int context, const std::string& policy = "latest",
                               NoiseStart first = NoiseStart::noise) const {
    return engine_.start(loops_, context, parse_kv_policy(policy, "--kv"), 1, first);
  }
  [[nodiscard]] Draft draft(const std::string& text) const {
    return parse_draft(text, model_.spec(), loops_, "--draft");
  }

  /// The prompt and `tokens` tokens behind it.
  std::vector<std::int32_t> speculated(const std::string& with, const SamplingOptions& sampling, int tokens,
                                       const std::string& policy = "latest", DraftCount* count = nullptr) {
    Sequence sequence = start(static_cast<int>(kPrompt.size()) + tokens, policy);
    engine_.prefill(sequence, std::span(kPrompt).first(kPrompt.size() - 1), Engine::Logits::none);
    Speculator speculator(engine_, sequence, draft(with), sampling, kVocabulary);
    Sampler sampler(sampling);
    std::vector<std::int32_t> text = kPrompt;
    while (text.size() < kPrompt.size() + static_cast<std::size_t>(tokens)) {
      const std::vector<std::int32_t> some = speculator.next(text, sampler);
      EXPECT_FALSE(some.empty());
      text.insert(text.end(), some.begin(), some.end());
      EXPECT_EQ(sequence.length, static_cast<int>(text.size()) - 1);
    }
    if (count != nullptr) *count = speculator.count();
    text.resize(kPrompt.size() + static_cast<std::size_t>(tokens));
    return text;
  }
  std::vector<std::int32_t> plain(const SamplingOptions& sampling, int tokens, const std::string& policy = "latest") {
    Sequence sequence = start(static_cast<int>(kPrompt.size()) + tokens, policy);
    engine_.prefill(sequence, std::span(kPrompt).first(kPrompt.size() - 1), Engine::Logits::none);
    Sampler sampler(sampling);
    std::vector<std::int32_t> text = kPrompt;
    for (int t = 0; t < tokens; ++t) {
      TokenDepth depth;
      text.push_back(sampler.draw(engine_.decode(sequence, text.back(), nullptr, depth), text));
    }
    return text;
  }

  static constexpr std::size_t kVocabulary = 16;
  ModelFolder folder_ = ModelFolder(spec());
  Model model_ = Model::load(folder_.path());
  std::vector<int> loops_ = model_.spec().default_loops();
  Engine engine_ = Engine(model_, 2);
};

TEST_F(Speculation, AtTemperatureZeroGivesTheTextOfFullDepth) {
  if (kernels().name == "amx") GTEST_SKIP() << "tiles round a pass of many rows otherwise than one row";
  SamplingOptions greedy;
  greedy.temperature = 0;
  for (const float penalty : {1.0F, 1.3F}) {
    greedy.repetition_penalty = penalty;
    for (const char* policy : {"latest", "full", "all_or_last"}) {
      const std::vector<std::int32_t> wanted = plain(greedy, 150, policy);
      for (const char* with : {"loops=1,tokens=1", "loops=2,tokens=4", "loops=3/1,tokens=7", "loops=1,tokens=40"}) {
        EXPECT_EQ(speculated(with, greedy, 150, policy), wanted) << with << ", " << policy << ", penalty " << penalty;
      }
    }
  }
}

/// Every token is that of full depth, so drafts of all loops but one of one group are nearly always right; and those
/// that are not are thrown away.
TEST_F(Speculation, CountsWhatItDraftsAndComesToOnePassForSeveralTokens) {
  SamplingOptions greedy;
  greedy.temperature = 0;
  DraftCount count;
  speculated("loops=4/2,tokens=4", greedy, 150, "latest", &count);
  EXPECT_GT(count.rounds, 0);
  EXPECT_LE(count.drafted, 4 * count.rounds);
  EXPECT_LE(count.accepted, count.drafted);
  EXPECT_GE(count.accepted + count.rounds + count.plain, 150);
  EXPECT_LT(count.rounds + count.plain, 149);
}

/// The marginal distributions of the first three tokens against those of full depth, worked out over all texts.
TEST_F(Speculation, KeepsTheDistributionOfFullDepth) {
  SamplingOptions sampling;
  sampling.temperature = 1.5F;
  sampling.top_p = 0.9F;
  constexpr std::size_t kTokens = 3;
  std::array<std::vector<double>, kTokens> wanted;
  wanted.fill(std::vector<double>(kVocabulary));
  Sequence root = start(20);
  engine_.prefill(root, std::span(kPrompt).first(kPrompt.size() - 1), Engine::Logits::none);
  const std::function<void(Sequence, std::vector<std::int32_t>, double, std::size_t)> walk =
      [&](Sequence sequence, std::vector<std::int32_t> text, double weight, std::size_t depth) {
        TokenDepth ran;
        const auto logits = engine_.decode(sequence, text.back(), nullptr, ran);
        const std::vector<double> shares = Sampler(sampling).probabilities(logits, text);
        for (std::size_t token = 0; token < kVocabulary; ++token) {
          if (shares[token] == 0) continue;
          wanted[depth][token] += weight * shares[token];
          if (depth + 1 == kTokens) continue;
          std::vector<std::int32_t> longer = text;
          longer.push_back(static_cast<std::int32_t>(token));
          walk(sequence.fork(), longer, weight * shares[token], depth + 1);
        }
      };
  walk(root.fork(), kPrompt, 1, 0);

  constexpr int kTexts = 6000;
  std::array<std::vector<int>, kTokens> counts;
  counts.fill(std::vector<int>(kVocabulary));
  for (int s = 0; s < kTexts; ++s) {
    sampling.seed = static_cast<std::uint64_t>(s);
    const std::vector<std::int32_t> text = speculated("loops=1,tokens=2", sampling, kTokens);
    for (std::size_t t = 0; t < kTokens; ++t) ++counts[t][static_cast<std::size_t>(text[kPrompt.size() + t])];
  }
  for (std::size_t t = 0; t < kTokens; ++t) {
    double chi_square = 0;
    for (std::size_t token = 0; token < kVocabulary; ++token) {
      const double expected = kTexts * wanted[t][token];
      if (expected == 0) {
        EXPECT_EQ(counts[t][token], 0) << "token " << token << " is cut off";
        continue;
      }
      chi_square += std::pow(counts[t][token] - expected, 2) / std::max(expected, 1.0);
    }
    EXPECT_LT(chi_square, 45) << "token " << t;  // 15 degrees of freedom: exceeded once in 10 000
  }
}

TEST_F(Speculation, MistakesAreNamed) {
  const auto refuses = [&](const std::string& text, const std::string& why) {
    EXPECT_THAT([&] { static_cast<void>(draft(text)); }, ThrowsMessage<Error>(HasSubstr(why))) << text;
  };
  refuses("", "loops is missing");
  refuses("tokens=4", "loops is missing");
  refuses("loops=9", "9 loops are more than the 4 of this run");
  refuses("loops=4/3", "as many loops as at full depth");
  refuses("loops=1,tokens=0", "tokens=0 is no whole number between 1 and 64");
  refuses("loops=1,tokens=4x", "tokens=4x is no whole number");
  refuses("loops=1,depth=3", "\"depth=3\" is neither");
  refuses("loops=0", "--draft");
  EXPECT_EQ(draft("tokens=3,loops=2").loops, (std::vector<int>{1, 2, 2, 1}));
  const auto begin = [&](const std::string& policy, NoiseStart first) {
    Sequence sequence = start(20, policy, first);
    Speculator(engine_, sequence, draft("loops=1"), {}, kVocabulary);
  };
  EXPECT_THAT([&] { begin("last", NoiseStart::noise); },
              ThrowsMessage<Error>(HasSubstr("draft: under the KV policy last")));
  EXPECT_THAT([&] { begin("latest", NoiseStart::previous); }, ThrowsMessage<Error>(HasSubstr("cannot be taken back")));
}

TEST_F(Speculation, ASequenceIsCutAndForkedAsIfNothingHadBeenBehind) {
  Sequence sequence = start(20);
  engine_.prefill(sequence, kPrompt, Engine::Logits::none);
  Sequence fork = sequence.fork();
  const std::vector<std::int32_t> more = {2, 7, 1};
  engine_.prefill(sequence, more, Engine::Logits::none);
  sequence.truncate(5);
  EXPECT_EQ(sequence.length, 5);
  const std::vector<std::int32_t> other = {9, 9};
  const auto got_span = engine_.prefill(sequence, other, Engine::Logits::all);
  const std::vector<float> got(got_span.begin(), got_span.end());
  const auto wanted = engine_.prefill(fork, other, Engine::Logits::all);
  EXPECT_EQ(got, std::vector<float>(wanted.begin(), wanted.end()));
  Sequence carried = start(20, "latest", NoiseStart::previous);
  engine_.prefill(carried, kPrompt, Engine::Logits::none);
  EXPECT_THAT([&] { carried.truncate(3); }, ThrowsMessage<Error>(HasSubstr("the states of token 2 are gone")));
}

}  // namespace
}  // namespace gyre::speculate_test
