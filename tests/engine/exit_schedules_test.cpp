#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <map>

#include "base/error.hpp"
#include "engine/generate.hpp"
#include "engine/scheduler.hpp"
#include "kernels/kernels.hpp"
#include "model_folder.hpp"

// Exits that compare with their last check, read early, weigh loops, or let a prompt leave as one: neither the threads
// nor who else is on the way changes a bit of what they say.

namespace gyre::exit_schedules_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const std::vector<std::string> kRules = {"latent-diff:tau=0.4,first=1,every=2,against=check",
                                         "cosine:tau=0.1,first=2,against=check,save=no",
                                         "accel:tau=0.6,every=2,against=check",
                                         "kl:tau=0.3,first=1,every=2,start=uniform,end=check",
                                         "minp-kl:tau=0.1,decode=lens,start=uniform,save=no",
                                         "entropy-diff:tau=0.1,first=2,every=2,start=100,end=check",
                                         "argmax-stability:steps=1,every=2,end=check",
                                         "step:tau=0.5,save=no",
                                         "any(top:tau=0.3,decode=lens;accel:tau=0.5):every=2",
                                         "all(margin:tau=0.02;ratio:tau=1):save=no",
                                         "two-sided:tau=0.2,patience=1,measure=entropy",
                                         "groups(0=entropy:tau=2,end=check,every=2)"};

/// A random model with loops enough for a schedule.
ModelSpec deep_spec(std::uint64_t seed) {
  ModelSpec spec = random_spec(seed);
  spec.context = 16;
  for (Group& group : spec.groups) group.loops = group.loops > 1 ? group.loops + 2 : 1;
  spec.groups.front().loops = 5;
  return spec;
}

/// What a text said, token by token.
struct Said {
  std::vector<std::vector<float>> logits;
  std::vector<std::vector<int>> loops;
  std::vector<std::vector<int>> read;

  void add(std::span<const float> row, const TokenDepth& depth) {
    logits.emplace_back(row.begin(), row.end());
    loops.push_back(depth.loops);
    read.push_back(depth.read);
  }
  bool operator==(const Said&) const = default;
};

class ExitSchedules : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  static constexpr int kTokens = 3;

  ExitSchedules() : folder_(deep_spec(GetParam())), model_(Model::load(folder_.path())) {}

  [[nodiscard]] std::vector<int> loops() const { return model_.spec().default_loops(); }
  [[nodiscard]] std::int32_t token(std::size_t text, int t) const {
    return (static_cast<int>(5 * text) + 3 * t) % model_.spec().vocab_size;
  }
  [[nodiscard]] std::vector<std::int32_t> prompt(std::size_t text) const {
    return {token(text, 7), token(text, 8), token(text, 9)};
  }
  [[nodiscard]] Sequence start(const Engine& engine) const { return engine.start(loops(), 16, {}, 1); }
  [[nodiscard]] BoundedExit exit(std::size_t text) const {
    return {parse_exit(kRules[text]), {model_.spec(), loops(), {}}};
  }

  /// A prompt that leaves as one, then tokens, alone.
  [[nodiscard]] Said alone(Engine& engine, std::size_t text) const {
    Sequence sequence = start(engine);
    BoundedExit rule = exit(text);
    Said said;
    TokenDepth depth;
    said.add(engine.prefill(sequence, prompt(text), Engine::Logits::last, rule, depth), depth);
    for (int t = 0; t < kTokens; ++t) said.add(engine.decode(sequence, token(text, t), &rule, depth), depth);
    return said;
  }
  /// All texts by a scheduler, each at its own pace.
  [[nodiscard]] std::vector<Said> scheduled(Engine& engine, Schedule schedule) const {
    std::vector<Sequence> sequences;
    std::vector<BoundedExit> exits;
    std::vector<Said> said(kRules.size());
    for (std::size_t text = 0; text < kRules.size(); ++text) {
      sequences.push_back(start(engine));
      exits.push_back(exit(text));
    }
    Scheduler scheduler(engine, schedule, 2);
    const auto submit = [&](std::size_t text, std::vector<std::int32_t> tokens) {
      scheduler.submit({&sequences[text], std::move(tokens), &exits[text]});
    };
    for (std::size_t text = 0; text < kRules.size(); ++text) submit(text, prompt(text));
    while (!scheduler.idle()) {
      for (const Landed& landed : scheduler.step()) {
        const auto text = static_cast<std::size_t>(landed.sequence - sequences.data());
        said[text].add(landed.logits, landed.depth);
        const auto done = static_cast<int>(said[text].loops.size());
        if (done <= kTokens) submit(text, {token(text, done - 1)});
      }
    }
    return said;
  }

  ModelFolder folder_;
  Model model_;
};

TEST_P(ExitSchedules, ChangeNothing) {
  if (kernels().name == "amx") GTEST_SKIP() << "tiles round by the number of rows";
  SCOPED_TRACE(to_json(model_.spec()).dump());
  Engine one(model_, 1);
  std::vector<Said> wanted;
  for (std::size_t text = 0; text < kRules.size(); ++text) wanted.push_back(alone(one, text));
  Engine engine(model_, 1 + static_cast<int>(GetParam()) % 8);
  for (const Schedule schedule : {Schedule::lockstep, Schedule::rows}) {
    const std::vector<Said> got = scheduled(engine, schedule);
    for (std::size_t text = 0; text < kRules.size(); ++text) {
      EXPECT_EQ(got[text], wanted[text]) << kRules[text] << ", " << name_of(schedule) << ", " << engine.threads();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ExitSchedules, ::testing::Range(std::uint64_t{1}, std::uint64_t{17}));

/// Which tokens of a prompt obey a rule.
class PromptExits : public ::testing::Test {
 protected:
  Generation run(PromptExit how, const std::string& rule, std::vector<std::vector<int>>* depths = nullptr) {
    Engine engine(model_, 2);
    Sequence sequence = engine.start(loops_, 24, {}, 1);
    const ExitContext context{model_.spec(), loops_, {}};
    BoundedExit exit(parse_exit(rule), context);
    GenerateOptions options;
    options.tokens = 3;
    options.sampling.temperature = 0;
    options.prompt_exit = how;
    return generate(engine, sequence, tokenizer_, prompt_, options, &exit, [&](const GeneratedToken& token) {
      if (depths != nullptr) depths->push_back(token.depth.loops);
    });
  }

  ModelFolder folder_;
  Model model_ = Model::load(folder_.path());
  Tokenizer tokenizer_ = Tokenizer::characters(kTestCharacters);
  std::vector<int> loops_ = model_.spec().default_loops();
  std::vector<std::int32_t> prompt_ = {5, 1, 12, 7};
};

TEST_F(PromptExits, MayBeOfTheLastTokenOfAllOrOfNone) {
  using Depths = std::vector<std::vector<int>>;
  const std::vector<int> full = {1, 4, 3, 1};
  const std::vector<int> early = {1, 2, 1, 1};
  Depths depths;
  const Generation last = run(PromptExit::last, "fixed:loops=2/1", &depths);
  EXPECT_EQ(depths, Depths({early, early, early}));
  EXPECT_EQ(last.decode_passes, 3);
  EXPECT_TRUE(last.prompt_depths.empty());
  depths.clear();
  const Generation never = run(PromptExit::never, "fixed:loops=2/1", &depths);
  EXPECT_EQ(depths, Depths({full, early, early}));
  EXPECT_EQ(never.decode_passes, 2);
  depths.clear();
  const Generation whole = run(PromptExit::whole, "fixed:loops=2/1", &depths);
  EXPECT_EQ(depths, Depths({early, early, early}));
  EXPECT_EQ(whole.decode_passes, 2);
  ASSERT_EQ(whole.prompt_depths.size(), 4U);
  for (const TokenDepth& depth : whole.prompt_depths) EXPECT_EQ(depth.loops, early);
}

/// At full depth all ways say the same.
TEST_F(PromptExits, ChangeNothingWhereNothingLeaves) {
  const std::vector<std::int32_t> wanted = run(PromptExit::last, "fixed").tokens;
  EXPECT_EQ(run(PromptExit::never, "fixed").tokens, wanted);
  EXPECT_EQ(run(PromptExit::whole, "fixed").tokens, wanted);
  EXPECT_EQ(run(PromptExit::whole, "step:tau=0").tokens, wanted);
}

TEST_F(PromptExits, HaveNames) {
  EXPECT_EQ(parse_prompt_exit("whole", "x"), PromptExit::whole);
  EXPECT_EQ(parse_prompt_exit("never", "x"), PromptExit::never);
  EXPECT_THAT([] { parse_prompt_exit("some", "x"); }, ThrowsMessage<Error>(HasSubstr("last, each, whole or never")));
}

}  // namespace
}  // namespace gyre::exit_schedules_test
