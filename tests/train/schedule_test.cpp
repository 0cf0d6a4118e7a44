#include "train/schedule.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "train/tiny_spec.hpp"

namespace gyre::schedule_test {
namespace {

TrainConfig schedule_of(Schedule kind) {
  TrainConfig config;
  config.schedule = kind;
  config.steps = 1000;
  config.warmup = 50;
  config.learning_rate = 0.02F;
  config.floor = 0.1F;
  config.decay_share = 0.2F;
  return config;
}

TEST(LearningRate, RisesLinearlyDuringWarmup) {
  for (const Schedule kind : {Schedule::cosine, Schedule::warmup_stable_decay}) {
    const TrainConfig config = schedule_of(kind);
    for (const int step : {1, 10, 25, 50}) {
      EXPECT_NEAR(learning_rate_at(config, step), 0.02 * step / 50, 1e-9) << step;
    }
  }
}

TEST(LearningRate, StartsAtTheTopWithoutWarmup) {
  for (const Schedule kind : {Schedule::cosine, Schedule::warmup_stable_decay}) {
    TrainConfig config = schedule_of(kind);
    config.warmup = 0;
    EXPECT_NEAR(learning_rate_at(config, 1), 0.02, 1e-5);
  }
}

TEST(LearningRate, EndsAtItsFloor) {
  for (const Schedule kind : {Schedule::cosine, Schedule::warmup_stable_decay}) {
    const TrainConfig config = schedule_of(kind);
    EXPECT_NEAR(learning_rate_at(config, 1000), 0.002, 1e-8);
  }
}

TEST(LearningRate, NeverRisesAfterWarmup) {
  for (const Schedule kind : {Schedule::cosine, Schedule::warmup_stable_decay}) {
    const TrainConfig config = schedule_of(kind);
    for (int step = 51; step <= 1000; ++step) {
      EXPECT_LE(learning_rate_at(config, step), learning_rate_at(config, step - 1) + 1e-12) << step;
    }
  }
}

TEST(LearningRate, IsHalfWayDownInTheMiddleOfTheCosine) {
  EXPECT_NEAR(learning_rate_at(schedule_of(Schedule::cosine), 525), 0.5 * (0.02 + 0.002), 1e-8);
}

TEST(LearningRate, StaysFlatInTheStablePhaseThenFallsLinearly) {
  const TrainConfig config = schedule_of(Schedule::warmup_stable_decay);
  for (int step = 50; step <= 800; ++step) EXPECT_NEAR(learning_rate_at(config, step), 0.02, 1e-7) << step;
  EXPECT_NEAR(learning_rate_at(config, 900), 0.5 * (0.02 + 0.002), 1e-6);
}

// By hand: 10 steps, warmup 2, a top of 1 and a floor of 0.2. Cosine: 0.2 + 0.4 (1 + cos(pi (s - 2) / 8)).
TEST(LearningRate, OfEachStepByHand) {
  TrainConfig config;
  config.steps = 10;
  config.warmup = 2;
  config.learning_rate = 1.0F;
  config.floor = 0.2F;
  config.decay_share = 0.0F;
  config.schedule = Schedule::warmup_stable_decay;
  EXPECT_DOUBLE_EQ(learning_rate_at(config, config.steps), config.learning_rate);
  config.decay_share = 0.4F;
  config.schedule = Schedule::cosine;
  const double cosine[] = {0.5, 1, 0.969552, 0.882843, 0.753073, 0.6, 0.446927, 0.317157, 0.230448, 0.2};
  for (int step = 1; step <= 10; ++step) EXPECT_NEAR(learning_rate_at(config, step), cosine[step - 1], 1e-6) << step;
  EXPECT_NEAR(learning_rate_at(config, 15), 0.2, 1e-6);
  config.schedule = Schedule::warmup_stable_decay;
  const double stable[] = {0.5, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2};
  for (int step = 1; step <= 10; ++step) EXPECT_NEAR(learning_rate_at(config, step), stable[step - 1], 1e-6) << step;
}

ModelSpec three_groups() {
  ModelSpec spec = tiny_spec();
  spec.groups = {{"prelude", 1, 1, Injection::none, FirstState::carried, 1.0F},
                 {"loop a", 1, 4, Injection::none, FirstState::carried, 1.0F},
                 {"loop b", 1, 9, Injection::none, FirstState::carried, 1.0F}};
  return spec;
}

TrainConfig sampled() {
  TrainConfig config;
  config.loop_sampling = LoopSampling::poisson_lognormal;
  config.loop_sigma = 0.5F;
  config.max_loops = 500;
  return config;
}

TEST(SampleLoops, FixedSamplingGivesTheDefaults) {
  for (int step = 1; step <= 20; ++step) EXPECT_EQ(sample_loops(three_groups(), {}, step), (std::vector{1, 4, 9}));
}

TEST(SampleLoops, DrawsHaveTheDefaultAsTheirMeanAndNeverSkipAGroup) {
  for (const float sigma : {0.0F, 0.5F, 0.8F}) {
    TrainConfig config = sampled();
    config.loop_sigma = sigma;
    constexpr int kSteps = 4000;
    double sum_a = 0;
    double sum_b = 0;
    for (int step = 1; step <= kSteps; ++step) {
      const std::vector<int> loops = sample_loops(three_groups(), config, step);
      ASSERT_EQ(loops.size(), 3U);
      EXPECT_EQ(loops[0], 1);
      EXPECT_GE(*std::min_element(loops.begin(), loops.end()), 1);
      sum_a += loops[1];
      sum_b += loops[2];
    }
    EXPECT_NEAR(sum_a / kSteps, 4, 0.2) << "sigma " << sigma;
    EXPECT_NEAR(sum_b / kSteps, 9, 0.45) << "sigma " << sigma;
  }
}

// 1 + Poisson(L) with L lognormal of mean m - 1 has the variance (m - 1) + (m - 1)² (exp(σ²) - 1).
TEST(SampleLoops, DrawsHaveTheVarianceOfPoissonLognormal) {
  for (const float sigma : {0.0F, 0.5F}) {
    TrainConfig config = sampled();
    config.loop_sigma = sigma;
    constexpr int kSteps = 8000;
    double sum = 0;
    double squares = 0;
    for (int step = 1; step <= kSteps; ++step) {
      const double count = sample_loops(three_groups(), config, step)[2];
      sum += count;
      squares += count * count;
    }
    const double mean = sum / kSteps;
    const double expected = 8 + 64 * (std::exp(static_cast<double>(sigma) * sigma) - 1);
    EXPECT_NEAR(squares / kSteps - mean * mean, expected, 0.12 * expected) << "sigma " << sigma;
  }
}

TEST(SampleLoops, AreDrawnForEachGroupByItself) {
  ModelSpec spec = three_groups();
  spec.groups[1].loops = spec.groups[2].loops = 6;
  int same = 0;
  constexpr int kSteps = 400;
  double a = 0, b = 0, both = 0;
  for (int step = 1; step <= kSteps; ++step) {
    const std::vector<int> loops = sample_loops(spec, sampled(), step);
    same += loops[1] == loops[2] ? 1 : 0;
    a += loops[1];
    b += loops[2];
    both += loops[1] * loops[2];
  }
  EXPECT_LT(same, kSteps / 4);
  EXPECT_NEAR(both / kSteps, a / kSteps * (b / kSteps), 2.5);  // uncorrelated
}

// exp(-mean) is zero in f64 from a mean of 746 on; a config may ask for 4096 loops.
TEST(SampleLoops, DrawsHaveTheDefaultAsTheirMeanWhenItIsLarge) {
  ModelSpec spec = three_groups();
  spec.groups[2].loops = 1500;
  TrainConfig config = sampled();
  config.loop_sigma = 0.1F;
  config.max_loops = 4096;
  constexpr int kSteps = 300;
  double sum = 0;
  for (int step = 1; step <= kSteps; ++step) sum += sample_loops(spec, config, step)[2];
  EXPECT_NEAR(sum / kSteps, 1500, 75);
}

TEST(SampleLoops, NeverExceedTheCap) {
  TrainConfig config = sampled();
  config.loop_sigma = 1.5F;
  config.max_loops = 6;
  int most = 0;
  for (int step = 1; step <= 500; ++step) {
    for (const int count : sample_loops(three_groups(), config, step)) most = std::max(most, count);
  }
  EXPECT_EQ(most, 6);
}

TEST(SampleLoops, AreCappedAtFourTimesTheDefaultUnlessToldOtherwise) {
  TrainConfig config = sampled();
  config.loop_sigma = 2.0F;
  config.max_loops = 0;
  std::vector<int> most(3, 0);
  for (int step = 1; step <= 2000; ++step) {
    const std::vector<int> loops = sample_loops(three_groups(), config, step);
    for (std::size_t g = 0; g < most.size(); ++g) most[g] = std::max(most[g], loops[g]);
  }
  EXPECT_EQ(most, (std::vector{1, 16, 36}));
}

TEST(SampleLoops, DependOnSeedAndStepAlone) {
  TrainConfig one = sampled();
  TrainConfig other = sampled();
  other.seed = one.seed + 1;
  int same = 0;
  std::vector<std::vector<int>> backwards;
  for (int step = 50; step >= 1; --step) backwards.push_back(sample_loops(three_groups(), one, step));
  for (int step = 1; step <= 50; ++step) {
    const std::vector<int> loops = sample_loops(three_groups(), one, step);
    EXPECT_EQ(loops, backwards[static_cast<std::size_t>(50 - step)]);
    same += loops == sample_loops(three_groups(), other, step) ? 1 : 0;
  }
  EXPECT_LT(same, 25);
}

// A quarter of 10 steps is 2.5: steps 1 and 2 loop once, whether counts are drawn or not.
TEST(SampleLoops, AreOneEachBeforeTheirShareOfTheSteps) {
  for (TrainConfig config : {TrainConfig(), sampled()}) {
    config.steps = 10;
    const auto without = [&](int step) { return sample_loops(three_groups(), config, step); };
    std::vector<std::vector<int>> expected;
    for (int step = 1; step <= 10; ++step) expected.push_back(step <= 2 ? std::vector{1, 1, 1} : without(step));
    config.loops_from = 0.25F;
    for (int step = 1; step <= 10; ++step) {
      EXPECT_EQ(sample_loops(three_groups(), config, step), expected[static_cast<std::size_t>(step - 1)]) << step;
    }
    config.loops_from = 0.5F;  // step 5 is the last of the first half
    EXPECT_EQ(sample_loops(three_groups(), config, 5), (std::vector{1, 1, 1}));
    EXPECT_EQ(sample_loops(three_groups(), config, 6), expected[5]);
  }
}

// Three of twelve steps with one loop, then a line over three steps to the four of the default.
TEST(SampledLoops, RiseAlongALine) {
  ModelSpec spec = tiny_spec();
  for (Group& group : spec.groups) group.loops = group.looped() ? 4 : 1;
  TrainConfig config;
  config.steps = 12;
  config.loops_from = 0.25F;
  config.loops_over = 0.25F;
  std::vector<int> counts;
  for (int step = 1; step <= 8; ++step) {
    const std::vector<int> loops = sample_loops(spec, config, step);
    counts.push_back(*std::max_element(loops.begin(), loops.end()));
  }
  EXPECT_EQ(counts, (std::vector<int>{1, 1, 1, 2, 3, 4, 4, 4}));
}

}  // namespace
}  // namespace gyre::schedule_test
