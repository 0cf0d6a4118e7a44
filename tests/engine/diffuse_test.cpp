#include "engine/diffuse.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.hpp"
#include "kernels/kernels.hpp"
#include "model_folder.hpp"

namespace gyre::diffuse_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const std::vector<std::int32_t> kPrompt = {3, 1, 4, 1, 5};

/// A model of Huginn's kind: a prelude, a core that starts from noise and takes its input anew, a coda.
class Diffusing : public ::testing::Test {
 protected:
  static ModelSpec spec() {
    ModelSpec spec = small_spec();
    spec.context = 100;
    spec.groups = {spec.groups[0], spec.groups[1], spec.groups[3]};
    spec.groups[1].first_state = FirstState::noise;
    return spec;
  }
  struct Run {
    std::vector<std::int32_t> tokens;
    std::vector<int> loops;
    Diffuser::Count count;
  };
  Run run(const std::string& text, int tokens, int context = 100) {
    const Diffusion diffusion = parse_diffusion(text, "--diffuse");
    Sequence sequence = engine_.start({1, diffusion.inner, 1}, context, {}, 1);
    Diffuser diffuser(engine_, sequence, diffusion, 16);
    diffuser.prefill(std::span(kPrompt).first(kPrompt.size() - 1));
    SamplingOptions greedy;
    greedy.temperature = 0;
    Sampler sampler(greedy);
    std::vector<std::int32_t> said = kPrompt;
    Run run;
    while (static_cast<int>(run.tokens.size()) < tokens) {
      const std::vector<Diffuser::Frozen> some = diffuser.next(said, sampler);
      EXPECT_FALSE(some.empty());
      for (const Diffuser::Frozen& frozen : some) {
        said.push_back(frozen.token);
        run.tokens.push_back(frozen.token);
        run.loops.push_back(frozen.loops);
      }
      EXPECT_EQ(sequence.length + 1, static_cast<int>(said.size()));
    }
    run.count = diffuser.count();
    run.tokens.resize(static_cast<std::size_t>(tokens));
    return run;
  }
  std::vector<std::int32_t> plain(int loops, int tokens, const std::string& policy = "latest") {
    Sequence sequence = engine_.start({1, loops, 1}, 100, parse_kv_policy(policy, "--kv"), 1);
    engine_.prefill(sequence, std::span(kPrompt).first(kPrompt.size() - 1), Engine::Logits::none);
    std::vector<std::int32_t> said;
    std::int32_t token = kPrompt.back();
    for (int t = 0; t < tokens; ++t) {
      TokenDepth depth;
      const auto logits = engine_.decode(sequence, token, nullptr, depth);
      token = static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
      said.push_back(token);
    }
    return said;
  }

  ModelFolder folder_ = ModelFolder(spec());
  Model model_ = Model::load(folder_.path());
  Engine engine_ = Engine(model_, 2);
};

TEST_F(Diffusing, OnePositionAtATimeIsOrdinaryDecoding) {
  const Run got = run("inner=8,steps=8,wavefront=1,freeze=fixed", 30);
  EXPECT_EQ(got.tokens, plain(8, 30));
  EXPECT_EQ(got.loops, std::vector<int>(30, 8));
  EXPECT_EQ(got.count.steps, 1 + 30);  // the prompt is one
}

/// Several steps of some loops are as many loops in a row, whose keys and values share the slots of a step.
TEST_F(Diffusing, StepsGoOnFromTheStatesOfTheStepBefore) {
  EXPECT_EQ(run("inner=2,steps=8,wavefront=1,freeze=fixed,noise=0,ema=0", 30).tokens, plain(8, 30, "latest:ring=2"));
  EXPECT_EQ(run("inner=3,steps=6,wavefront=1,freeze=fixed,noise=0,ema=0", 30).tokens, plain(6, 30, "latest:ring=3"));
}

TEST_F(Diffusing, ALongerWavefrontTakesFewerStepsThanPositionsOneByOne) {
  const Run alone = run("inner=2,steps=8,wavefront=1,freeze=fixed", 24);
  const Run together = run("inner=2,steps=8,wavefront=16,freeze=fixed", 24);
  EXPECT_EQ(alone.count.steps, 4 + 4 * 24);
  EXPECT_LT(together.count.steps, alone.count.steps / 2);
  EXPECT_GT(together.count.positions, together.count.steps);
  for (const int loops : together.loops) EXPECT_LE(loops, 8);
}

TEST_F(Diffusing, EveryRuleEndsWithinItsRoom) {
  for (const char* rule : {"freeze=latent-diff,tau=0.5", "freeze=acceleration,tau=0.9", "freeze=stable", "freeze=fixed",
                           "freeze=latent-diff,tau=1000,headway=3", "freeze=fixed,wavefront=4"}) {
    const Run got = run(std::string("inner=2,steps=4,") + rule, 15, 20);  // 5 of the prompt and 15
    EXPECT_EQ(got.tokens.size(), 15U) << rule;
  }
}

TEST_F(Diffusing, MistakesAreNamed) {
  const auto refuses = [](const std::string& text, const std::string& why) {
    EXPECT_THAT([&] { parse_diffusion(text, "--diffuse"); }, ThrowsMessage<Error>(HasSubstr(why))) << text;
  };
  refuses("inner=0", "--diffuse: inner=0 is no number between 1 and 4096");
  refuses("inner=x", "inner=x is no number");
  refuses("tau=nan", "tau=nan is no number");
  refuses("ema=2", "ema=2 is no number between 0 and 1");
  refuses("freeze=soon", "\"soon\" is no freeze rule; choose latent-diff, acceleration, stable or fixed");
  refuses("depth=3", "\"depth=3\" is none of inner");
  refuses("inner=3,steps=32", "32 loops are no multiple of the 3 of a step");
  EXPECT_THAT([] { diffusion_group(small_spec(), "--diffuse"); }, ThrowsMessage<Error>(HasSubstr("one looped group")));
  EXPECT_EQ(diffusion_group(spec(), "--diffuse"), 1U);
  Sequence sequence = engine_.start({1, 3, 1}, 20, {}, 1);
  EXPECT_THAT([&] { Diffuser(engine_, sequence, {}, 16); }, ThrowsMessage<Error>(HasSubstr("runs 3 loops, a step 4")));
}

}  // namespace
}  // namespace gyre::diffuse_test
