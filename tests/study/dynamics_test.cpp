#include "study/dynamics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.hpp"
#include "base/random.hpp"
#include "engine/probabilities.hpp"
#include "model_folder.hpp"
#include "study/turning.hpp"

namespace gyre::dynamics_test {
namespace {

using States = std::vector<double>;

double length(const States& x) {
  double sum = 0;
  for (const double value : x) sum += value * value;
  return std::sqrt(sum);
}

States minus(States a, const States& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] -= b[i];
  return a;
}

double dot(const States& a, const States& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

class DynamicsOfASmallModel : public ::testing::Test {
 protected:
  DynamicsOfASmallModel() {
    options_.loops = model_.spec().default_loops();
    options_.window = 6;
  }

  /// The states of one position after every loop, straight from the engine, for one window.
  std::map<std::pair<int, int>, States> trace(std::span<const std::int32_t> inputs, std::size_t position) {
    Sequence sequence = engine_.start(options_.loops, options_.window, KvPolicy{}, options_.seed);
    std::map<std::pair<int, int>, States> states;
    const auto out = engine_.prefill(sequence, inputs, Engine::Logits::all, [&](const TracePoint& point) {
      const auto row = point.states.subspan(position * 16, 16);
      states[{point.group, point.loop}] = States(row.begin(), row.end());
    });
    logits_.assign(out.begin(), out.end());
    return states;
  }

  std::vector<float> decoded(const States& state) {
    const std::vector<float> narrow(state.begin(), state.end());
    const auto logits = engine_.head(narrow);
    std::vector<float> result(logits.size());
    log_softmax(logits, result);
    return result;
  }

  ModelFolder folder_;
  Model model_ = Model::load(folder_.path());
  Engine engine_{model_, 1};
  DynamicsOptions options_;
  std::vector<float> logits_;
  const std::vector<std::int32_t> tokens_ = {3, 7, 1, 15, 0, 4, 9, 9, 2, 11, 5};
};

TEST_F(DynamicsOfASmallModel, MeasuresAreWhatTheStatesSay) {
  const Dynamics dynamics = measure_dynamics(model_, {{tokens_}, {}}, options_);
  EXPECT_EQ(dynamics.tokens, 10);
  ASSERT_EQ(dynamics.groups.size(), 2U);
  // The third token of the second window: number 8 of all.
  constexpr std::size_t kToken = 8;
  const auto states = trace(std::span(tokens_).subspan(6, 4), 2);
  for (const GroupMeasures& measures : dynamics.groups) {
    const int g = measures.group;
    const int loops = options_.loops[static_cast<std::size_t>(g)];
    ASSERT_EQ(measures.loops.size(), static_cast<std::size_t>(loops));
    double steps = 0;
    States previous;
    const std::vector<float> last = decoded(states.at({g, loops}));
    for (int k = 1; k <= loops; ++k) {
      const LoopMeasures& loop = measures.loops[static_cast<std::size_t>(k - 1)];
      const States step = minus(states.at({g, k}), states.at({g, k - 1}));
      EXPECT_NEAR(loop.step[kToken], length(step), 1e-5);
      EXPECT_NEAR(loop.relative_step[kToken], length(step) / length(states.at({g, k})), 1e-5);
      steps += length(step);
      const std::vector<float> now = decoded(states.at({g, k}));
      // The token behind it is 11.
      EXPECT_NEAR(loop.lens_loss[kToken], -static_cast<double>(now[11]), 1e-5);
      EXPECT_NEAR(loop.lens_entropy[kToken], entropy(now), 1e-5);
      EXPECT_NEAR(loop.lens_kl[kToken], kl_divergence(last, now), 1e-5);
      if (k == 1) {
        EXPECT_TRUE(loop.cosine.empty());
        EXPECT_TRUE(loop.acceleration.empty());
        EXPECT_TRUE(loop.lens_flip.empty());
      } else {
        const double acceleration = length(minus(step, previous));
        EXPECT_NEAR(loop.cosine[kToken], dot(step, previous) / (length(step) * length(previous)), 1e-4);
        EXPECT_NEAR(loop.acceleration[kToken], acceleration, 1e-5);
        EXPECT_NEAR(loop.normalised_acceleration[kToken], acceleration / (length(step) + length(previous)), 1e-5);
        EXPECT_EQ(loop.lens_flip.size(), 10U);
      }
      previous = step;
    }
    EXPECT_EQ(measures.loops.back().lens_kl[kToken], 0);
    const double drift = length(minus(states.at({g + 1, 1}), states.at({g, loops})));
    EXPECT_NEAR(measures.drift_to_loop[kToken], drift / (steps / loops), 1e-4);
  }
}

TEST_F(DynamicsOfASmallModel, EveryTokenKnowsItsWindow) {
  EXPECT_EQ(measure_dynamics(model_, {{tokens_}, {}}, options_).windows,
            (std::vector<std::size_t>{0, 0, 0, 0, 0, 0, 1, 1, 1, 1}));
}

TEST_F(DynamicsOfASmallModel, TurnsAreOfTheGroupsOwnStatesBehindTheHandOff) {
  const Dynamics dynamics = measure_dynamics(model_, {{tokens_}, {}}, options_);
  constexpr std::size_t kToken = 8;
  const auto states = trace(std::span(tokens_).subspan(6, 4), 2);
  const TurnMeasures& turns = dynamics.groups[0].turns;
  std::vector<std::vector<float>> own;
  for (int k = 1; k <= 4; ++k) own.emplace_back(states.at({1, k}).begin(), states.at({1, k}).end());
  const std::vector<std::span<const float>> path(own.begin(), own.end());
  const Turning expected = turning_of(path);
  ASSERT_EQ(turns.share.size(), 10U);
  EXPECT_EQ(expected.places, 2);
  EXPECT_EQ(turns.share[kToken], expected.share());
  EXPECT_NEAR(turns.winding[kToken], std::abs(expected.winding), 1e-3);
  // Random paths have the lengths of the last three steps, and the angles between them.
  std::vector<double> lengths;
  for (std::size_t k = 1; k < 4; ++k) lengths.push_back(dynamics.groups[0].loops[k].step[kToken]);
  const std::vector<double> cosines = {dynamics.groups[0].loops[2].cosine[kToken],
                                       dynamics.groups[0].loops[3].cosine[kToken]};
  RandomPaths random{RandomPaths::Directions::uniform, 16, combine_seeds(kToken, 1)};
  EXPECT_EQ(turns.random_share[kToken], random_share(lengths, cosines, random));
  random.directions = RandomPaths::Directions::same_angles;
  EXPECT_EQ(turns.smooth_share[kToken], random_share(lengths, cosines, random));
  // Three loops make two steps behind the hand-off, and one turn says nothing.
  for (const double share : dynamics.groups[1].turns.share) EXPECT_TRUE(std::isnan(share));
}

TEST_F(DynamicsOfASmallModel, OfManyTokensAFixedSampleIsHeldAgainstRandomPaths) {
  std::vector<std::int32_t> many;
  for (int i = 0; i < 1101; ++i) many.push_back(tokens_[static_cast<std::size_t>(i) % tokens_.size()]);
  options_.window = 24;
  const TurnMeasures turns = measure_dynamics(model_, {{many}, {}}, options_).groups[0].turns;
  ASSERT_EQ(turns.share.size(), 1100U);
  for (std::size_t t = 0; t < turns.share.size(); ++t) {
    EXPECT_EQ(std::isfinite(turns.share[t]), t % 3 == 0) << t;
    EXPECT_EQ(std::isfinite(turns.random_share[t]), t % 3 == 0) << t;
  }
}

TEST_F(DynamicsOfASmallModel, TheCrossEntropyIsThatOfEveryWindowsPrompt) {
  const Dynamics dynamics = measure_dynamics(model_, {{tokens_}, {}}, options_);
  double sum = 0;
  for (const auto& [begin, count] : std::vector<std::pair<std::size_t, std::size_t>>{{0, 6}, {6, 4}}) {
    trace(std::span(tokens_).subspan(begin, count), 0);
    for (std::size_t t = 0; t < count; ++t) {
      std::vector<float> p(16);
      log_softmax(std::span(logits_).subspan(16 * t, 16), p);
      sum -= static_cast<double>(p[static_cast<std::size_t>(tokens_[begin + t + 1])]);
    }
  }
  EXPECT_NEAR(dynamics.cross_entropy, sum / 10, 1e-5);
}

TEST_F(DynamicsOfASmallModel, TrajectoriesPassThroughEveryLoopOfTheFirstWindow) {
  options_.trajectory_positions = {0, 5, 100};
  const Dynamics dynamics = measure_dynamics(model_, {{tokens_}, {}}, options_);
  ASSERT_EQ(dynamics.trajectories.size(), 2U);  // there is no position 100
  EXPECT_EQ(dynamics.trajectories[1].position, 5);
  EXPECT_EQ(dynamics.trajectories[1].points.size(), 2U + 5 + 4 + 2);
  const Trajectory& path = dynamics.trajectories[1];
  double along = 0;
  double across = 0;
  for (const TrajectoryPoint& point : path.points) {
    along += point.x * point.x;
    across += point.y * point.y;
  }
  EXPECT_GT(along, across);
  EXPECT_NEAR(across / along, path.explained_second / path.explained_first, 1e-6);
  EXPECT_EQ(path.points[0].group, 0);
  EXPECT_EQ(path.points[0].loop, 0);
  EXPECT_EQ(path.points[2].group, 1);
  EXPECT_EQ(path.points[6].loop, 4);
  EXPECT_EQ(path.points.back().group, 3);
  EXPECT_GE(dynamics.trajectories[0].explained_first, dynamics.trajectories[0].explained_second);
  EXPECT_LE(dynamics.trajectories[0].explained_first + dynamics.trajectories[0].explained_second, 1 + 1e-9);
}

TEST_F(DynamicsOfASmallModel, ManyWindowsAreDecodedInPartsWithoutMixingTokens) {
  // More positions than the lens decodes at once.
  ModelSpec spec = small_spec();
  spec.context = 80;
  const ModelFolder folder(spec);
  const Model model = Model::load(folder.path());
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < 71; ++i) tokens.push_back(i * 7 % 16);
  options_.window = 80;
  const Dynamics dynamics = measure_dynamics(model, {{tokens}, {}}, options_);
  Engine engine(model, 1);
  Sequence sequence = engine.start(options_.loops, 80, KvPolicy{}, 1);
  std::vector<float> states;
  engine.prefill(sequence, std::span(tokens).first(70), Engine::Logits::none, [&](const TracePoint& point) {
    if (point.group == 2 && point.loop == 2) states.assign(point.states.begin(), point.states.end());
  });
  for (const std::size_t t : {std::size_t{31}, std::size_t{32}, std::size_t{69}}) {
    const auto logits = engine.head(std::span(states).subspan(16 * t, 16));
    std::vector<float> p(16);
    log_softmax(logits, p);
    EXPECT_NEAR(dynamics.groups[1].loops[1].lens_loss[t],
                -static_cast<double>(p[static_cast<std::size_t>(tokens[t + 1])]), 1e-5);
  }
}

TEST_F(DynamicsOfASmallModel, ATextWithNothingToPredictIsRefused) {
  EXPECT_THROW(measure_dynamics(model_, {{{3}}, {}}, options_), Error);
}

TEST_F(DynamicsOfASmallModel, ATargetOutsideTheVocabularyIsRefused) {
  // The last token of a window is only a target and never runs.
  const std::vector<std::int32_t> tokens = {1, 2, 16};
  EXPECT_THAT(
      [&] {
        measure_dynamics(model_, {{tokens}, {}}, options_);
      },
      ::testing::ThrowsMessage<Error>(::testing::HasSubstr("outside the vocabulary")));
}

TEST_F(DynamicsOfASmallModel, FlipsAreChangesOfTheLikeliestTokenFromTheLoopBefore) {
  const Dynamics dynamics = measure_dynamics(model_, {{tokens_}, {}}, options_);
  double flips = 0;
  for (const GroupMeasures& measures : dynamics.groups) {
    for (std::size_t t = 0; t < 6; ++t) {
      const auto states = trace(std::span(tokens_).first(6), t);
      for (int k = 2; k <= options_.loops[static_cast<std::size_t>(measures.group)]; ++k) {
        const auto choice = [&](int loop) {
          const std::vector<float> p = decoded(states.at({measures.group, loop}));
          return std::max_element(p.begin(), p.end()) - p.begin();
        };
        const double flip = choice(k) == choice(k - 1) ? 0 : 1;
        EXPECT_EQ(measures.loops[static_cast<std::size_t>(k - 1)].lens_flip[t], flip);
        const auto full = std::span(logits_).subspan(16 * t, 16);
        const double differs = choice(k) == std::max_element(full.begin(), full.end()) - full.begin() ? 0 : 1;
        EXPECT_EQ(measures.loops[static_cast<std::size_t>(k - 1)].lens_differs[t], differs);
        flips += flip;
      }
    }
  }
  EXPECT_GT(flips, 0);
  EXPECT_LT(flips, 30);
}

TEST_F(DynamicsOfASmallModel, PositionsOfAPrefixAreNotMeasuredButThatBeforeTheText) {
  // <a> <b> 3 7 1 15: the states that predict the text are those of b, 3, 7 and 1.
  const std::vector<std::int32_t> text = {3, 7, 1, 15};
  const Dynamics begun = measure_dynamics(model_, {{text}, {8, 9}}, options_);
  const Dynamics whole = measure_dynamics(model_, {{{8, 9, 3, 7, 1, 15}}, {}}, options_);
  EXPECT_EQ(begun.tokens, 4);
  EXPECT_EQ(begun.inputs, (std::vector<std::int32_t>{9, 3, 7, 1}));
  EXPECT_EQ(whole.inputs, (std::vector<std::int32_t>{8, 9, 3, 7, 1}));
  for (std::size_t t = 0; t < 4; ++t) {
    EXPECT_EQ(begun.groups[0].loops[2].step[t], whole.groups[0].loops[2].step[t + 1]);
    EXPECT_EQ(begun.groups[0].drift_to_loop[t], whole.groups[0].drift_to_loop[t + 1]);
    EXPECT_EQ(begun.groups[1].loops[1].lens_loss[t], whole.groups[1].loops[1].lens_loss[t + 1]);
  }
  options_.trajectory_positions = {1};
  const double begun_x = measure_dynamics(model_, {{text}, {8, 9}}, options_).trajectories.at(0).points[3].x;
  options_.trajectory_positions = {2};
  EXPECT_EQ(measure_dynamics(model_, {{{8, 9, 3, 7, 1, 15}}, {}}, options_).trajectories.at(0).points[3].x, begun_x);
}

TEST_F(DynamicsOfASmallModel, PoliciesThatAPromptWouldNotShowRunTokenByToken) {
  const auto loss = [&](const char* policy) {
    options_.kv_policy = parse_kv_policy(policy, "test");
    return measure_dynamics(model_, {{tokens_}, {}}, options_).cross_entropy;
  };
  const double latest = loss("latest");
  EXPECT_FALSE(runs_token_by_token(options_));
  for (const char* policy : {"last", "latest:ring=2", "latest:run=2", "latest:anchor=1"}) {
    const double own = loss(policy);
    EXPECT_TRUE(runs_token_by_token(options_));
    EXPECT_GT(std::abs(own - latest), 1e-4) << policy;
    // What decoding at full depth says.
    double sum = 0;
    for (const std::size_t begin : {0U, 6U}) {
      Sequence sequence = engine_.start(options_.loops, 6, options_.kv_policy, 1);
      for (std::size_t t = begin; t < std::min<std::size_t>(begin + 6, 10); ++t) {
        TokenDepth depth;
        std::vector<float> p(16);
        log_softmax(engine_.decode(sequence, tokens_[t], nullptr, depth), p);
        sum -= static_cast<double>(p[static_cast<std::size_t>(tokens_[t + 1])]);
      }
    }
    EXPECT_NEAR(own, sum / 10, 1e-5) << policy;
  }
  EXPECT_NEAR(loss("full"), latest, 1e-9);
  options_.kv_policy = {};
  options_.kv_policy.type = KvType::q8_0;
  EXPECT_NE(measure_dynamics(model_, {{tokens_}, {}}, options_).cross_entropy, latest);
}

TEST_F(DynamicsOfASmallModel, FirstStatesAreThoseAskedFor) {
  ModelSpec spec = small_spec();
  spec.groups[1].first_state = FirstState::noise;
  spec.groups[1].noise_std = 1;
  const ModelFolder folder(spec);
  const Model model = Model::load(folder.path());
  const auto loss = [&] { return measure_dynamics(model, {{tokens_}, {}}, options_).cross_entropy; };
  const double one = loss();
  options_.seed = 2;
  EXPECT_NE(loss(), one);
  options_.start = NoiseStart::zero;
  const double zero = loss();
  EXPECT_NE(zero, one);
  options_.seed = 1;
  EXPECT_EQ(loss(), zero);
}

TEST_F(DynamicsOfASmallModel, StatesThatGoOnFromTheTokenBeforeRunTokenByToken) {
  ModelSpec spec = small_spec();
  spec.groups.erase(spec.groups.begin());
  spec.groups[0].first_state = FirstState::noise;
  spec.groups[0].noise_std = 1;
  const ModelFolder folder(spec);
  const Model model = Model::load(folder.path());
  options_.loops = spec.default_loops();
  options_.window = 12;
  const auto loss = [&] { return measure_dynamics(model, {{tokens_}, {}}, options_).cross_entropy; };
  const double noise = loss();
  options_.start = NoiseStart::previous;
  EXPECT_TRUE(runs_token_by_token(options_));
  Engine engine(model, 1);
  Sequence sequence = engine.start(options_.loops, 12, KvPolicy{}, 1, NoiseStart::previous);
  double sum = 0;
  for (std::size_t t = 0; t < 10; ++t) {
    TokenDepth depth;
    std::vector<float> p(16);
    log_softmax(engine.decode(sequence, tokens_[t], nullptr, depth), p);
    sum -= static_cast<double>(p[static_cast<std::size_t>(tokens_[t + 1])]);
  }
  EXPECT_NEAR(loss(), sum / 10, 1e-5);
  EXPECT_GT(std::abs(loss() - noise), 1e-4);
}

/// Measures of one token whose states are given.
std::vector<LoopMeasures> steps_of(const std::vector<std::vector<float>>& states) {
  std::vector<LoopMeasures> loops(states.size() - 1);
  const std::vector<std::span<const float>> path(states.begin(), states.end());
  add_steps(path, loops);
  return loops;
}

TEST(AddSteps, ByHand) {
  // Steps (3, 4) and (0, 1) and (0, -2).
  const std::vector<LoopMeasures> loops = steps_of({{0, 0}, {3, 4}, {3, 5}, {3, 3}});
  EXPECT_DOUBLE_EQ(loops[0].step.at(0), 5);
  EXPECT_DOUBLE_EQ(loops[0].relative_step.at(0), 1);
  EXPECT_DOUBLE_EQ(loops[1].step.at(0), 1);
  EXPECT_DOUBLE_EQ(loops[1].relative_step.at(0), 1 / std::sqrt(34.0));
  EXPECT_DOUBLE_EQ(loops[1].cosine.at(0), 0.8);
  EXPECT_DOUBLE_EQ(loops[1].acceleration.at(0), std::sqrt(18.0));
  EXPECT_DOUBLE_EQ(loops[1].normalised_acceleration.at(0), std::sqrt(18.0) / 6);
  EXPECT_DOUBLE_EQ(loops[2].step.at(0), 2);
  EXPECT_DOUBLE_EQ(loops[2].cosine.at(0), -1);
  EXPECT_DOUBLE_EQ(loops[2].acceleration.at(0), 3);
  EXPECT_DOUBLE_EQ(loops[2].normalised_acceleration.at(0), 1);
  EXPECT_TRUE(loops[0].contraction.empty());
  EXPECT_DOUBLE_EQ(loops[1].contraction.at(0), 0.2);
  EXPECT_DOUBLE_EQ(loops[2].contraction.at(0), 2);
  EXPECT_DOUBLE_EQ(loops[1].curvature.at(0), std::acos(0.8) / 3);
  EXPECT_DOUBLE_EQ(loops[2].curvature.at(0), std::acos(-1.0) / 1.5);
}

TEST(LeaveOutRounding, TakesNoAngleAndNoRatioOfWhatIsNoStep) {
  std::vector<LoopMeasures> loops = steps_of({{0, 0}, {3, 4}, {3, 5}, {3, 5.25F}, {3, 8}});
  leave_out_rounding(loops, std::vector<double>{0.1, 0.1, 0.1, 0.1});
  EXPECT_EQ(loops[1].below_floor, 0);
  EXPECT_EQ(loops[2].below_floor, 1);  // 0.25 of 6.05
  EXPECT_FALSE(std::isnan(loops[1].cosine[0]));
  EXPECT_FALSE(std::isnan(loops[1].contraction[0]));
  for (const std::size_t k : {2U, 3U}) {
    EXPECT_TRUE(std::isnan(loops[k].cosine[0]));
    EXPECT_TRUE(std::isnan(loops[k].contraction[0]));
    EXPECT_TRUE(std::isnan(loops[k].curvature[0]));
  }
  EXPECT_EQ(loops[3].below_floor, 0);
  EXPECT_DOUBLE_EQ(loops[2].step[0], 0.25);
}

TEST(AddSteps, StepsOfNoLengthHaveNoAngle) {
  const std::vector<LoopMeasures> loops = steps_of({{0, 0}, {3, 4}, {3, 4}, {3, 5}});
  EXPECT_EQ(loops[1].step.at(0), 0);
  EXPECT_TRUE(std::isnan(loops[1].cosine.at(0)));
  EXPECT_TRUE(std::isnan(loops[2].cosine.at(0)));
  EXPECT_DOUBLE_EQ(loops[1].acceleration.at(0), 5);
}

TEST(DriftRatio, IsTheHandOffOverTheMeanStep) {
  EXPECT_DOUBLE_EQ(drift_ratio(std::vector<float>{1, 2}, std::vector<float>{4, 6}, std::vector<double>{1, 2, 3}), 2.5);
  EXPECT_TRUE(std::isnan(drift_ratio(std::vector<float>{1}, std::vector<float>{4}, std::vector<double>{0, 0})));
}

TEST(TrajectoryPositions, AreSpreadAndEachOnce) {
  EXPECT_EQ(trajectory_positions(81, 8), (std::vector<int>{10, 20, 30, 40, 50, 60, 70, 80}));
  EXPECT_EQ(trajectory_positions(3, 8), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(trajectory_positions(1, 8), (std::vector<int>{0}));
}

}  // namespace
}  // namespace gyre::dynamics_test
