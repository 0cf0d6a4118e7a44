#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <tuple>

#include "base/error.hpp"
#include "engine/engine.hpp"
#include "kernels/kernels.hpp"
#include "model_folder.hpp"

namespace gyre::flights_test {
namespace {

std::vector<float> copy(std::span<const float> numbers) { return {numbers.begin(), numbers.end()}; }

/// Tokens in flight on a model of small_spec() with a gate.
class Flights : public ::testing::Test {
 protected:
  static ModelSpec spec() {
    ModelSpec spec = small_spec();
    spec.groups[1].exit_gate = true;
    return spec;
  }
  [[nodiscard]] Sequence start() const { return engine_.start(loops_, 24, {}, 1); }
  [[nodiscard]] BoundedExit exit(const std::string& rule) const {
    return {parse_exit(rule), {model_.spec(), loops_, {}}};
  }

  using Point = std::tuple<int, int, int, std::vector<float>>;
  static TraceSink into(std::vector<Point>& points) {
    return [&points](const TracePoint& point) {
      points.emplace_back(point.group, point.loop, point.position, copy(point.states));
    };
  }

  ModelFolder folder_ = ModelFolder(spec());
  Model model_ = Model::load(folder_.path());
  std::vector<int> loops_ = model_.spec().default_loops();
  Engine engine_ = Engine(model_, 2);
};

TEST_F(Flights, OfADecodedTokenAreTracedAsThoseOfAPrompt) {
  Sequence first = start();
  Sequence second = start();
  std::vector<Point> wanted;
  std::vector<Point> got;
  const std::int32_t token = 5;
  engine_.prefill(first, {&token, 1}, Engine::Logits::none, into(wanted));
  const TraceSink sink = into(got);
  DecodeRow row{&second, token, nullptr, {}, &sink};
  engine_.decode({&row, 1});
  EXPECT_EQ(got, wanted);
  EXPECT_EQ(got.size(), 2U + 5 + 4 + 2);  // loops 1/4/3/1, and the states as they enter
}

TEST_F(Flights, AreTracedAsFarAsTheyGo) {
  Sequence sequence = start();
  std::vector<Point> points;
  const TraceSink sink = into(points);
  BoundedExit early = exit("fixed:loops=2/1");
  DecodeRow row{&sequence, 5, &early, {}, &sink};
  engine_.decode({&row, 1});
  std::vector<std::pair<int, int>> seen;
  for (const auto& [group, loop, position, states] : points) seen.emplace_back(group, loop);
  EXPECT_EQ(seen,
            (std::vector<std::pair<int, int>>{{0, 0}, {0, 1}, {1, 0}, {1, 1}, {1, 2}, {2, 0}, {2, 1}, {3, 0}, {3, 1}}));
}

/// A prompt whose rows leave at different depths is told of in runs of neighbours.
TEST_F(Flights, OfOneSequenceAreTracedSideBySide) {
  Sequence sequence = start();
  const std::vector<std::int32_t> tokens = {1, 2, 3, 4};
  std::vector<Point> points;
  engine_.prefill(sequence, tokens, Engine::Logits::none, into(points));
  for (const auto& [group, loop, position, states] : points) {
    EXPECT_EQ(position, 0);
    EXPECT_EQ(states.size(), 4U * 16);
  }
}

/// Whoever traces may put another state in the place of one: the loops after it start from there.
TEST_F(Flights, GoOnFromTheStateThatATracePutsThere) {
  Sequence other = start();
  const std::int32_t wanted_token = 7;
  std::vector<float> entered;
  engine_.prefill(other, {&wanted_token, 1}, Engine::Logits::none, [&](const TracePoint& point) {
    if (point.group == 0 && point.loop == 0) entered = copy(point.states);
  });
  Sequence plain = start();
  TokenDepth depth;
  BoundedExit rule = exit("step:tau=0.5");
  const std::vector<float> wanted = copy(engine_.decode(plain, wanted_token, &rule, depth));
  Sequence changed = start();
  const TraceSink sink = [&](const TracePoint& point) {
    if (point.group == 0 && point.loop == 0) std::copy(entered.begin(), entered.end(), point.states.begin());
  };
  BoundedExit same = exit("step:tau=0.5");
  DecodeRow row{&changed, 3, &same, {}, &sink};
  EXPECT_EQ(copy(engine_.decode({&row, 1})), wanted);
  EXPECT_EQ(row.depth.loops, depth.loops);
}

/// Rows of a batch whose rules read norms, gates, the lens or the coda leave where they would alone.
TEST_F(Flights, WhatRulesReadIsTheirOwnRows) {
  const std::array<const char*, 8> rules = {
      "gate:threshold=0.6", "kl:tau=0.05,decode=lens", "kl:tau=0.05", "step:tau=0.4",
      "gate:threshold=0.7", "kl:tau=0.3,decode=lens",  "kl:tau=0.3",  "accel:tau=0.5"};
  std::vector<Sequence> together;
  std::vector<Sequence> alone;
  std::vector<BoundedExit> exits;
  for (const char* rule : rules) {
    together.push_back(start());
    alone.push_back(start());
    exits.push_back(exit(rule));
  }
  for (std::int32_t step = 0; step < 10; ++step) {
    std::vector<DecodeRow> batch;
    for (std::size_t r = 0; r < rules.size(); ++r) {
      const auto token = static_cast<std::int32_t>((5 * r + 3 * static_cast<std::size_t>(step)) % 16);
      batch.push_back({&together[r], token, &exits[r]});
    }
    const std::vector<float> logits = copy(engine_.decode(batch));
    for (std::size_t r = 0; r < rules.size(); ++r) {
      BoundedExit same = exit(rules[r]);
      TokenDepth depth;
      const std::vector<float> wanted = copy(engine_.decode(alone[r], batch[r].token, &same, depth));
      EXPECT_EQ(batch[r].depth.loops, depth.loops) << rules[r];
      EXPECT_EQ(batch[r].depth.reasons, depth.reasons) << rules[r];
      if (kernels().name == "amx") continue;
      EXPECT_EQ(std::vector<float>(logits.begin() + static_cast<std::ptrdiff_t>(16 * r),
                                   logits.begin() + static_cast<std::ptrdiff_t>(16 * r + 16)),
                wanted)
          << rules[r];
    }
  }
}

/// Rows at different loops of a group, of different sequences, in one run.
TEST_F(Flights, EndBetweenTwoLoopsOnceAStopIsRequested) {
  std::atomic<bool> flag = false;
  Engine engine(model_, 2, Stop(flag));
  Sequence sequence = start();
  const std::array<std::int32_t, 3> tokens = {5, 6, 7};
  const std::vector<float> wanted = copy(engine.prefill(sequence, tokens, Engine::Logits::last));
  sequence.truncate(2);
  int points = 0;
  const TraceSink sink = [&](const TracePoint& /*point*/) { flag = ++points == 4; };
  EXPECT_THROW(engine.prefill(sequence, std::span(tokens).last(1), Engine::Logits::last, sink), Error);
  EXPECT_EQ(points, 4);
  EXPECT_EQ(sequence.length, 2);
  flag = false;
  EXPECT_EQ(copy(engine.prefill(sequence, std::span(tokens).last(1), Engine::Logits::last)), wanted);
}

TEST_F(Flights, MayBeAtAnyLoop) {
  Sequence early = start();
  Sequence late = start();
  Sequence reference = start();
  ThreadPool pool(1);
  Stack stack(model_, pool);
  std::array<Flight, 2> flights;
  flights[0].sequence = &early;
  flights[0].token = 3;
  flights[1].sequence = &late;
  flights[1].token = 8;
  stack.board(flights[0]);
  stack.board(flights[1]);
  std::vector<Flight*> one = {&flights[0]};
  std::vector<Flight*> both = {&flights[0], &flights[1]};
  std::vector<Flight*> other = {&flights[1]};
  stack.run(0, both);
  stack.run(1, one);  // one loop ahead from here on
  for (int loop = 0; loop < 3; ++loop) stack.run(1, both);
  stack.run(1, other);
  for (const std::size_t group : {2, 2, 2, 3}) stack.run(group, both);
  for (const Flight& flight : flights) {
    ASSERT_TRUE(stack.landed(flight));
    Sequence alone = start();
    TokenDepth depth;
    const std::vector<float> wanted = copy(engine_.decode(alone, flight.token, nullptr, depth));
    EXPECT_EQ(copy(stack.head(stack.state(flight))), wanted);
  }
}

}  // namespace
}  // namespace gyre::flights_test
