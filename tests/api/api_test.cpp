#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/calibrated_exit.hpp"
#include "base/error.hpp"
#include "engine/engine.hpp"
#include "gyre/gyre.hpp"
#include "kernels/kernels.hpp"
#include "model_folder.hpp"

namespace gyre::api_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class Api : public ::testing::Test {
 protected:
  /// What an engine of the library gives: a prompt, then single tokens with a rule.
  [[nodiscard]] std::vector<std::vector<float>> wanted(const std::vector<std::int32_t>& prompt,
                                                       const std::vector<std::int32_t>& tokens,
                                                       const std::string& rule) const {
    const gyre::Model inner = gyre::Model::load(folder_.path());
    Engine engine(inner, 1);
    gyre::Sequence sequence = engine.start(inner.spec().default_loops(), 24, {}, 1);
    BoundedExit exit(parse_exit(rule), {inner.spec(), inner.spec().default_loops(), {}});
    std::vector<std::vector<float>> all;
    const auto first = engine.prefill(sequence, prompt, Engine::Logits::last);
    all.emplace_back(first.begin(), first.end());
    for (const std::int32_t token : tokens) {
      TokenDepth depth;
      const auto logits = engine.decode(sequence, token, &exit, depth);
      all.emplace_back(logits.begin(), logits.end());
    }
    return all;
  }

  ModelFolder folder_ = ModelFolder(small_spec());
  api::Model model_ = api::Model::open(folder_.path());
};

const std::vector<std::int32_t> kPrompt = {3, 1, 4, 1, 5};
const std::vector<std::int32_t> kTokens = {9, 2, 6};

TEST_F(Api, OpensAModelOnceAndTellsOfIt) {
  EXPECT_EQ(model_.vocabulary_size(), 16);
  EXPECT_EQ(model_.hidden_size(), 16);
  EXPECT_EQ(model_.context(), 24);
  EXPECT_EQ(model_.default_loops(), (std::vector<int>{1, 4, 3, 1}));
  EXPECT_EQ(model_.digest().size(), 64U);
  EXPECT_EQ(model_.decode(model_.encode("abc")), "abc");
  EXPECT_EQ(nlohmann::json::parse(model_.spec_json())["groups"].size(), 4U);
  EXPECT_EQ(model_.family(), "gyre");
}

TEST_F(Api, GivesWhatTheEngineGives) {
  if (kernels().name == "amx") GTEST_SKIP() << "tiles round a prompt otherwise than one row";
  const auto expected = wanted(kPrompt, kTokens, "step:tau=0.4");
  api::Runner runner(model_, {.threads = 2});
  api::Sequence text = runner.start({.exit = "step:tau=0.4"});
  EXPECT_EQ(runner.append(text, kPrompt).logits, expected[0]);
  for (std::size_t t = 0; t < kTokens.size(); ++t) {
    const api::Step step = runner.append(text, {&kTokens[t], 1});
    EXPECT_EQ(step.logits, expected[t + 1]);
    EXPECT_EQ(step.loops.size(), 4U);
    EXPECT_EQ(step.reasons.size(), 4U);
  }
  EXPECT_EQ(text.length(), 8);
}

TEST_F(Api, RunsTheRuleOfACalibratedFileWhereItHolds) {
  if (kernels().name == "amx") GTEST_SKIP() << "tiles round a prompt otherwise than one row";
  const gyre::Model inner = gyre::Model::load(folder_.path());
  const std::string rule = "step:tau=0.4";
  const std::string file = folder_.beside("exit.json").string();
  const nlohmann::json conditions =
      calibrated_conditions(inner, {.loops = inner.spec().default_loops()}, parse_exit(rule));
  write_text_atomically(
      file, nlohmann::json{{kCalibrationKey, kCalibrationVersion}, {"exit", rule}, {"holds_for", conditions}}.dump());
  const auto expected = wanted(kPrompt, kTokens, rule);
  api::Runner runner(model_, {.threads = 1});
  api::Sequence text = runner.start({.exit = "calibrated:" + file});
  EXPECT_EQ(runner.append(text, kPrompt).logits, expected[0]);
  for (std::size_t t = 0; t < kTokens.size(); ++t) {
    EXPECT_EQ(runner.append(text, {&kTokens[t], 1}).logits, expected[t + 1]);
  }
  EXPECT_THAT(
      [&] {
        (void)runner.start({.loops = {1, 2, 3, 1}, .exit = "calibrated:" + file});
      },
      ThrowsMessage<Error>(HasSubstr("the loops of the groups was [1,4,3,1] when it was calibrated")));
  EXPECT_THAT([&] { (void)runner.start({.exit = "nope"}); },
              ThrowsMessage<Error>(HasSubstr("groups, calibrated:FILE")));
}

TEST_F(Api, RunsManyTextsTogether) {
  if (kernels().name == "amx") GTEST_SKIP() << "tiles round a prompt otherwise than one row";
  const auto expected = wanted(kPrompt, kTokens, "step:tau=0.4");
  api::Runner runner(model_, {.threads = 1, .schedule = "rows", .chunk = 2});
  std::vector<api::Sequence> texts;
  for (int i = 0; i < 3; ++i) texts.push_back(runner.start({.exit = "step:tau=0.4"}));
  for (api::Sequence& text : texts) runner.submit(text, kPrompt);
  int done = 0;
  while (!runner.idle()) {
    for (api::Step& step : runner.step()) {
      const auto t = static_cast<std::size_t>(step.sequence->length()) - kPrompt.size();
      EXPECT_EQ(step.logits, expected[t]);
      ++done;
      if (t < kTokens.size()) runner.submit(*step.sequence, {kTokens[t]});
    }
  }
  EXPECT_EQ(done, 12);
  EXPECT_GT(runner.layer_rows(), runner.layer_passes());
}

TEST_F(Api, HooksReadAndReplaceStates) {
  api::Runner runner(model_, {.threads = 1});
  api::Sequence text = runner.start();
  std::vector<float> last;
  const api::Step step = runner.append(text, kPrompt, [&](const api::LoopStates& now) {
    if (now.group == 3 && now.loop == 1) last.assign(now.states.end() - 16, now.states.end());
  });
  EXPECT_EQ(runner.lens(last), step.logits);  // small_spec() has nothing behind its last group but norm and head
  api::Sequence zeroed = runner.start();
  const api::Step other = runner.append(zeroed, kPrompt, [](const api::LoopStates& now) {
    if (now.group == 1 && now.loop == 2) std::fill(now.states.begin(), now.states.end(), 0.0F);
  });
  EXPECT_NE(other.logits, step.logits);
}

TEST_F(Api, SequencesForkAreCutAndCancelled) {
  api::Runner runner(model_, {.threads = 1, .chunk = 2});
  api::Sequence text = runner.start({.exit = "fixed:loops=1"});
  runner.append(text, kPrompt);
  api::Sequence fork = text.fork();
  const api::Step first = runner.append(text, kTokens);
  text.truncate(5);
  EXPECT_EQ(text.length(), 5);
  EXPECT_EQ(runner.append(text, kTokens).logits, first.logits);
  EXPECT_EQ(runner.append(fork, kTokens).logits, first.logits);
  EXPECT_GT(text.bytes(), 0U);
  runner.submit(text, {1, 2, 3});
  runner.step();
  runner.cancel(text);
  EXPECT_TRUE(runner.idle());
  EXPECT_EQ(text.length(), 8);
  {
    api::Sequence gone = runner.start();
    runner.submit(gone, {1, 2, 3});
  }
  while (!runner.idle()) runner.step();  // the job holds what it needs
}

TEST_F(Api, TextsThatBeginAlikeSkipTheirBeginning) {
  if (kernels().name == "amx") GTEST_SKIP() << "tiles round a prompt otherwise than one row";
  std::vector<std::int32_t> prompt;
  for (std::int32_t t = 0; t < 20; ++t) prompt.push_back((3 * t + t * t) % 16);
  api::Runner plain(model_, {.threads = 1});
  api::Runner keeping(model_, {.threads = 1, .prefix_bytes = std::size_t{1} << 24U});
  api::Sequence alone = plain.start();
  const api::Step wanted = plain.append(alone, prompt);
  api::Sequence first = keeping.start();
  EXPECT_EQ(keeping.append(first, prompt).logits, wanted.logits);
  const std::size_t rows = keeping.layer_rows();
  api::Sequence second = keeping.start();
  EXPECT_EQ(keeping.append(second, prompt).logits, wanted.logits);
  EXPECT_EQ(second.length(), 20);
  EXPECT_EQ(5 * (keeping.layer_rows() - rows), rows);  // 4 tokens of 20
  EXPECT_THAT([&] { keeping.submit(second, {99}); }, ThrowsMessage<Error>(HasSubstr("token 99")));
  api::Sequence third = keeping.start();
  EXPECT_THAT([&] { keeping.submit(third, std::vector<std::int32_t>(25, 1)); },
              ThrowsMessage<Error>(HasSubstr("do not fit")));
  EXPECT_EQ(third.length(), 0);
}

TEST_F(Api, AHookThatThrowsLeavesTheSequenceAsItWas) {
  api::Runner runner(model_, {.threads = 2});
  api::Sequence text = runner.start();
  EXPECT_THROW(runner.append(text, kPrompt, [](const api::LoopStates&) { throw std::runtime_error("enough"); }),
               std::runtime_error);
  EXPECT_EQ(text.length(), 0);
  EXPECT_TRUE(runner.idle());
  EXPECT_NO_THROW(runner.append(text, kPrompt));
}

TEST_F(Api, MistakesAreNamed) {
  api::Runner runner(model_, {.threads = 1});
  const auto refuses = [&](const api::SequenceOptions& options, const std::string& why) {
    EXPECT_THAT([&] { static_cast<void>(runner.start(options)); }, ThrowsMessage<Error>(HasSubstr(why)));
  };
  refuses({.loops = {1, 2}}, "loops: 2 counts for 4 groups");
  refuses({.loops = {2, 2, 2, 1}}, "loops: group prelude cannot run 2 loops");
  refuses({.loops = {1, 0, 2, 1}}, "loops: group loop a cannot run 0 loops");
  refuses({.context = 25}, "context: 25 is not within the 24");
  refuses({.exit = "soon"}, "there is no rule");
  refuses({.kv = "all"}, "kv: \"all\" is no KV policy");
  refuses({.kv_type = "f8"}, "kv_type: \"f8\"");
  refuses({.first_state = "one"}, "first_state: \"one\"");
  EXPECT_THAT([&] { api::Runner(model_, {.schedule = "soon"}); },
              ThrowsMessage<Error>(HasSubstr("schedule: \"soon\"")));
  EXPECT_THAT([&] { api::Model::open(folder_.path(), {.weights = "f8"}); }, ThrowsMessage<Error>(HasSubstr("weights")));
  EXPECT_THAT([&] { static_cast<void>(model_.encode_chat("{}")); },
              ThrowsMessage<Error>(HasSubstr("conversation: the key \"messages\" is missing")));
  EXPECT_THAT([&] { static_cast<void>(model_.encode_chat("[]", "3")); },
              ThrowsMessage<Error>(HasSubstr("conversation: the conversation is empty")));
  EXPECT_THAT([&] { static_cast<void>(runner.lens(std::vector<float>(3))); },
              ThrowsMessage<Error>(HasSubstr("3 numbers are not rows")));
  api::Sequence text = runner.start();
  runner.submit(text, {1});
  EXPECT_THAT([&] { runner.submit(text, {1}); }, ThrowsMessage<Error>(HasSubstr("has a job already")));
  EXPECT_THAT([&] { runner.append(text, kTokens); }, ThrowsMessage<Error>(HasSubstr("other texts are under way")));
  const api::Model again = api::Model::open(folder_.path());
  api::Runner other(again, {.threads = 1});
  api::Sequence foreign = other.start();
  EXPECT_THAT([&] { runner.submit(foreign, {1}); }, ThrowsMessage<Error>(HasSubstr("belongs to another model")));
}

}  // namespace
}  // namespace gyre::api_test
