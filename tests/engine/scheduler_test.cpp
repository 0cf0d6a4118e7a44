#include "engine/scheduler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "base/error.hpp"
#include "kernels/kernels.hpp"
#include "model_folder.hpp"

namespace gyre::scheduler_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::size_t next_of(Schedule schedule, const ModelSpec& spec, const std::vector<Waiting>& groups) {
  return next_group(schedule, groups, spec);
}

TEST(Schedule, RunsTheGroupWithMostRowsWhereOneGroupLoops) {
  ModelSpec spec = small_spec();
  spec.groups[2].loops = 1;  // loops 1/4/1/1
  EXPECT_EQ(next_of(Schedule::rows, spec, {{1, 0}, {3, 0}, {0, 0}, {2, 0}}), 1U);
  EXPECT_EQ(next_of(Schedule::rows, spec, {{0, 0}, {2, 0}, {0, 0}, {2, 0}}), 1U);  // the earliest of equals
  EXPECT_EQ(next_of(Schedule::rows, spec, {{0, 0}, {3, 0}, {0, 0}, {1, 7}}), 1U);  // a token makes seven runs
  EXPECT_EQ(next_of(Schedule::rows, spec, {{0, 0}, {3, 0}, {0, 0}, {1, 8}}), 3U);  // waited long enough
  EXPECT_EQ(next_of(Schedule::lockstep, spec, {{0, 0}, {1, 0}, {0, 0}, {9, 9}}), 1U);
}

TEST(Schedule, LetsStragglersCatchUpWhereSeveralGroupsLoop) {
  EXPECT_EQ(next_of(Schedule::rows, small_spec(), {{0, 0}, {1, 0}, {5, 0}, {2, 0}}), 1U);
}

/// Texts of a model with exits of their own, decoded by an engine one by one and by schedulers together.
class Scheduled : public ::testing::Test {
 protected:
  static constexpr int kTexts = 7;
  static constexpr int kTokens = 12;
  static constexpr int kContext = 64;

  explicit Scheduled(const ModelSpec& spec) : folder_(wide(spec)), model_(Model::load(folder_.path())) {}
  Scheduled() : Scheduled(small_spec()) {}

  static ModelSpec wide(ModelSpec spec) {
    spec.context = kContext;
    return spec;
  }

  struct Text {
    Sequence sequence;
    std::optional<BoundedExit> exit;
    std::vector<std::int32_t> tokens;
    std::vector<std::vector<float>> logits = {};
    std::vector<std::vector<int>> depths = {};
  };

  [[nodiscard]] std::vector<Text> texts(Engine& engine, const std::string& policy = "latest") const {
    const std::vector<std::string> rules = {"random:weights=8/2/1/1", "step:tau=0.4", "kl:tau=0.3,decode=lens",
                                            "accel:tau=0.5",          "kl:tau=0.3",   "",
                                            "gate:threshold=0.6"};
    std::vector<Text> texts;
    Random random(5);
    for (int i = 0; i < kTexts; ++i) {
      const auto seed = static_cast<std::uint64_t>(i);
      Text text{engine.start(model_.spec().default_loops(), kContext, parse_kv_policy(policy, "--kv"), seed), {}, {}};
      const std::string& rule = rules[static_cast<std::size_t>(i)];
      const bool gate = model_.spec().groups[1].exit_gate;
      if (!rule.empty() && (gate || !rule.starts_with("gate"))) {
        text.exit.emplace(parse_exit(rule), ExitContext{model_.spec(), model_.spec().default_loops(), {}}, seed);
      }
      const int prompt = 1 + 5 * i;
      for (int t = 0; t < prompt + kTokens; ++t) {
        text.tokens.push_back(
            static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(model_.spec().vocab_size))));
      }
      texts.push_back(std::move(text));
    }
    return texts;
  }
  static std::size_t prompt_of(const Text& text) { return text.tokens.size() - kTokens; }

  std::vector<Text> one_by_one(const std::string& policy = "latest") {
    Engine engine(model_, 1);
    std::vector<Text> done = texts(engine, policy);
    for (Text& text : done) {
      const auto logits =
          engine.prefill(text.sequence, std::span(text.tokens).first(prompt_of(text)), Engine::Logits::last);
      text.logits.emplace_back(logits.begin(), logits.end());
      for (std::size_t t = prompt_of(text); t < text.tokens.size(); ++t) {
        TokenDepth depth;
        const auto row = engine.decode(text.sequence, text.tokens[t], text.exit ? &*text.exit : nullptr, depth);
        text.logits.emplace_back(row.begin(), row.end());
        text.depths.push_back(depth.loops);
      }
    }
    return done;
  }

  std::vector<Text> together(Schedule schedule, int chunk, int threads, const std::string& policy = "latest") {
    Engine engine(model_, threads);
    std::vector<Text> done = texts(engine, policy);
    Scheduler scheduler(engine, schedule, chunk);
    std::map<const Sequence*, Text*> owner;
    for (Text& text : done) {
      owner[&text.sequence] = &text;
      scheduler.submit({&text.sequence, {text.tokens.begin(), text.tokens.end() - kTokens}});
    }
    while (!scheduler.idle()) {
      for (const Landed& landed : scheduler.step()) {
        Text& text = *owner.at(landed.sequence);
        if (!text.logits.empty()) text.depths.push_back(landed.depth.loops);
        text.logits.emplace_back(landed.logits.begin(), landed.logits.end());
        if (text.sequence.length == static_cast<int>(text.tokens.size())) continue;
        const std::int32_t token = text.tokens[static_cast<std::size_t>(text.sequence.length)];
        scheduler.submit({&text.sequence, {token}, text.exit ? &*text.exit : nullptr});
      }
    }
    return done;
  }

  void expect_same(const std::vector<Text>& got, const std::vector<Text>& wanted) const {
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_EQ(got[i].depths, wanted[i].depths) << "text " << i;
      EXPECT_EQ(got[i].sequence.length, wanted[i].sequence.length) << "text " << i;
      if (kernels().name == "amx") continue;
      EXPECT_EQ(got[i].logits, wanted[i].logits) << "text " << i;
    }
  }

  ModelFolder folder_;
  Model model_;
};

/// One looped group between single layers, with a gate.
class ScheduledHuginn : public Scheduled {
 protected:
  static ModelSpec spec() {
    ModelSpec spec = small_spec();
    spec.groups = {spec.groups[0], spec.groups[1], spec.groups[3]};
    spec.groups[1].layers = 3;
    spec.groups[1].exit_gate = true;
    spec.groups[1].first_state = FirstState::noise;
    return spec;
  }
  ScheduledHuginn() : Scheduled(spec()) {}
};

TEST_F(Scheduled, TextsAreThoseOfOneTextAtATimeToTheBit) {
  const std::vector<Text> wanted = one_by_one();
  for (const Schedule schedule : {Schedule::lockstep, Schedule::rows}) {
    for (const int chunk : {1, 7, 64}) {
      for (const int threads : {1, 2, 4}) {
        SCOPED_TRACE(fmt::format("{}, chunks of {}, {} threads", name_of(schedule), chunk, threads));
        expect_same(together(schedule, chunk, threads), wanted);
      }
    }
  }
}

TEST_F(ScheduledHuginn, TextsAreThoseOfOneTextAtATimeUnderEveryPolicy) {
  for (const char* policy : {"latest", "last", "latest:ring=2", "full", "all_or_last"}) {
    const std::vector<Text> wanted = one_by_one(policy);
    for (const Schedule schedule : {Schedule::lockstep, Schedule::rows}) {
      SCOPED_TRACE(fmt::format("{}, {}", policy, name_of(schedule)));
      expect_same(together(schedule, 7, 2, policy), wanted);
    }
  }
}

TEST_F(ScheduledHuginn, RowsMakesFewerPassesOverTheWeightsThanLockstep) {
  const auto passes = [&](Schedule schedule) {
    Engine engine(model_, 1);
    std::vector<Text> all = texts(engine);
    std::vector<BoundedExit> exits;
    for (std::uint64_t i = 0; i < kTexts; ++i) {
      exits.emplace_back(parse_exit("random:weights=8/2/1/1"),
                         ExitContext{model_.spec(), model_.spec().default_loops(), {}}, i);
    }
    Scheduler scheduler(engine, schedule, 1);
    std::map<const Sequence*, std::size_t> index;
    for (std::size_t i = 0; i < all.size(); ++i) {
      index[&all[i].sequence] = i;
      scheduler.submit({&all[i].sequence, {1}, &exits[i]});
    }
    while (!scheduler.idle()) {
      for (const Landed& landed : scheduler.step()) {
        if (landed.sequence->length < 40) scheduler.submit({landed.sequence, {1}, &exits[index.at(landed.sequence)]});
      }
    }
    return engine.count().passes;
  };
  EXPECT_LT(static_cast<double>(passes(Schedule::rows)), 0.9 * static_cast<double>(passes(Schedule::lockstep)));
}

TEST_F(Scheduled, WhoeverListensHearsOfEveryTokenWhateverTheChunk) {
  Engine engine(model_, 2);
  const std::vector<std::int32_t> tokens = texts(engine)[6].tokens;
  ASSERT_GT(tokens.size(), 32U);
  const auto start = [&] { return engine.start(model_.spec().default_loops(), kContext, {}, 1); };
  Sequence alone = start();
  const std::span<const float> all = engine.prefill(alone, tokens, Engine::Logits::all);
  const std::vector<float> expected(all.begin(), all.end());
  for (const int chunk : {1, 7, 256}) {
    Scheduler scheduler(engine, Schedule::rows, chunk);
    Sequence sequence = start();
    std::vector<float> heard;
    Job job{&sequence, tokens};
    job.hear = [&](std::size_t first, std::span<const float> logits) {
      EXPECT_EQ(first * static_cast<std::size_t>(model_.spec().vocab_size), heard.size());
      heard.insert(heard.end(), logits.begin(), logits.end());
    };
    scheduler.submit(std::move(job));
    std::vector<float> last;
    while (!scheduler.idle()) {
      for (const Landed& landed : scheduler.step()) last.assign(landed.logits.begin(), landed.logits.end());
    }
    EXPECT_EQ(heard, expected) << chunk;
    EXPECT_TRUE(std::equal(last.begin(), last.end(), expected.end() - model_.spec().vocab_size)) << chunk;
  }
}

TEST_F(Scheduled, ACancelledJobLeavesTheSequenceAfterTheLastChunkThatLanded) {
  Engine engine(model_, 1);
  Sequence sequence = engine.start(model_.spec().default_loops(), kContext, {}, 1);
  Sequence other = engine.start(model_.spec().default_loops(), kContext, {}, 1);
  const std::vector<std::int32_t> prompt = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3};
  Scheduler scheduler(engine, Schedule::rows, 4);
  scheduler.submit({&sequence, prompt});
  while (sequence.length < 4) scheduler.step();
  scheduler.step();  // the next chunk is on its way
  scheduler.cancel(sequence);
  EXPECT_TRUE(scheduler.idle());
  EXPECT_EQ(sequence.length, 4);
  engine.prefill(other, std::span(prompt).first(4), Engine::Logits::none);
  const auto wanted_span = engine.prefill(other, std::span(prompt).subspan(4), Engine::Logits::last);
  const std::vector<float> wanted(wanted_span.begin(), wanted_span.end());
  const auto got = engine.prefill(sequence, std::span(prompt).subspan(4), Engine::Logits::last);
  EXPECT_EQ(std::vector<float>(got.begin(), got.end()), wanted);
}

TEST_F(Scheduled, ATraceThatThrowsCancelsThoseOfItsRunAndLeavesTheSequencesAsTheyWere) {
  Engine engine(model_, 2);
  Sequence first = engine.start(model_.spec().default_loops(), kContext, {}, 1);
  Sequence second = engine.start(model_.spec().default_loops(), kContext, {}, 1);
  const TraceSink trace = [](const TracePoint& point) {
    if (point.group == 2 && point.loop == 1) throw std::runtime_error("enough");
  };
  Scheduler scheduler(engine, Schedule::rows, 4);
  scheduler.submit({&first, {1, 2, 3}, nullptr, &trace});
  scheduler.submit({&second, {1}});
  const auto run = [&] {
    while (!scheduler.idle()) scheduler.step();
  };
  EXPECT_THROW(run(), std::runtime_error);
  EXPECT_EQ(first.length, 0);
  run();  // what is left, if anything
  EXPECT_EQ(first.length, 0);
  EXPECT_NO_THROW(engine.prefill(first, std::vector<std::int32_t>{1, 2, 3}, Engine::Logits::last));
}

TEST_F(Scheduled, MistakesAreNamed) {
  Engine engine(model_, 1);
  Sequence sequence = engine.start(model_.spec().default_loops(), 4, {}, 1);
  Scheduler scheduler(engine, Schedule::rows, 4);
  EXPECT_THAT([&] { scheduler.submit({&sequence, {}}); }, ThrowsMessage<Error>(HasSubstr("empty")));
  EXPECT_THAT([&] { scheduler.submit({&sequence, {1, 2, 3, 4, 5}}); }, ThrowsMessage<Error>(HasSubstr("do not fit")));
  EXPECT_THAT([&] { scheduler.submit({&sequence, {99}}); }, ThrowsMessage<Error>(HasSubstr("token 99")));
  scheduler.submit({&sequence, {1}});
  EXPECT_THAT([&] { scheduler.submit({&sequence, {1}}); }, ThrowsMessage<Error>(HasSubstr("has a job already")));
  EXPECT_THAT([] { parse_schedule("fast", "--schedule"); },
              ThrowsMessage<Error>(HasSubstr("--schedule: \"fast\" is no schedule; choose lockstep or rows")));
}

}  // namespace
}  // namespace gyre::scheduler_test
