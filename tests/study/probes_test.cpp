#include "study/probes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "study/dynamics.hpp"
#include "study/linear_loop.hpp"
#include "study/measures/attention.hpp"
#include "study/measures/steps.hpp"
#include "study/window_states.hpp"

namespace gyre::probes_test {
namespace {

const std::vector<std::int32_t> kTokens = {3, 7, 1, 15, 0, 4, 9, 9, 2, 11, 5, 6, 8, 1, 1, 10, 12};

Probes probe_tokens(const Model& model, const ProbeRun& run, const ProbeOptions& options = {}) {
  Engine engine(model, 1);
  const auto windows = cut_windows({{kTokens}, {}}, model.spec(), {run.window, 0});
  return probe(engine, windows, run, options);
}

ProbeRun run_of(const ModelSpec& spec) { return {spec.default_loops(), 8, {}, NoiseStart::noise, {}, 1}; }

TEST(SpreadWindows, AreEvenlySpread) {
  EXPECT_EQ(spread_windows(8, 4), (std::vector<std::size_t>{1, 3, 5, 7}));
  EXPECT_EQ(spread_windows(2, 4), (std::vector<std::size_t>{0, 1}));
  EXPECT_EQ(spread_windows(9, 1), (std::vector<std::size_t>{4}));
}

TEST(Probe, OfALinearLoopFindsItsNumbers) {
  ModelFolder folder(linear_loop_spec());
  make_linear(folder, std::vector<float>{0.5F, 0.25F, 0.125F, -0.25F, 0.1F, 0.1F, 0.1F, 0.1F, 0.1F, 0.1F, 0.1F, 0.1F,
                                         0.1F, 0.1F, 0.1F, 0.1F});
  const Probes probes = probe_tokens(Model::load(folder.path()), run_of(folder.spec()));
  ASSERT_EQ(probes.groups.size(), 2U);
  EXPECT_EQ(probes.windows, 2U);
  EXPECT_EQ(probes.tokens, 16U);
  const GroupProbes& linear = probes.groups[0];
  ASSERT_EQ(linear.exponents.size(), 4U);
  std::size_t paths = 0;
  for (const std::vector<double>& window : linear.further_exponents[0]) {
    for (const double exponent : window) EXPECT_NEAR(exponent, std::log(0.5), 1e-3);
    paths += window.size();
  }
  EXPECT_EQ(paths, 16U);
  for (const double exponent : linear.exponents[0][1]) EXPECT_NEAR(exponent, std::log(0.5), 1e-3);
  for (const std::vector<double>& window : linear.further_exponents[1]) {
    for (const double exponent : window) EXPECT_NEAR(exponent, std::log(0.25), 0.05);
  }
  ASSERT_EQ(linear.largest.size(), 4U);
  for (const ByWindow& loop : linear.largest) {
    ASSERT_EQ(loop[0].size(), 2U);  // four tokens in two windows
    for (const double value : loop[1]) EXPECT_NEAR(value, 0.5, 1e-3);
  }
  for (const double radius : linear.spectral_radius[0]) EXPECT_NEAR(radius, 0.5, 1e-3);
  EXPECT_TRUE(linear.basin_vote[0].empty());
  // The loop moves a state's last bits by at most half of what they were moved by.
  for (const double floor : linear.floor[3][0]) EXPECT_LT(floor, 6e-8);
}

TEST(Probe, FindsAnOrbitOfPeriodTwoAndAFixedPoint) {
  ModelFolder folder(linear_loop_spec());
  make_linear(folder, std::vector<float>{-0.98F});
  const Probes probes = probe_tokens(Model::load(folder.path()), run_of(folder.spec()));
  for (const std::vector<Ending>& window : probes.groups[0].endings) {
    for (const Ending& ending : window) EXPECT_EQ(ending.period, 2);
  }
  make_linear(folder, std::vector<float>{0.05F});
  const Probes still = probe_tokens(Model::load(folder.path()), run_of(folder.spec()));
  for (const std::vector<Ending>& window : still.groups[0].endings) {
    for (const Ending& ending : window) EXPECT_EQ(ending.kind, Ending::Kind::fixed);
  }
}

TEST(Probe, TheResidualIsTheStepOfOneMoreLoop) {
  const ModelFolder folder;
  const Model model = Model::load(folder.path());
  const Probes probes = probe_tokens(model, run_of(folder.spec()));
  for (const double floor : probes.groups[1].floor[2][0]) {
    EXPECT_GT(floor, 1e-9);  // rounding is there, and is no more than that
    EXPECT_LT(floor, 1e-5);
  }
  Engine engine(model, 1);
  Sequence sequence = engine.start({1, 4, 5, 1}, 8, KvPolicy{}, 1);
  const WindowPass longer = run_window(engine, sequence, std::span(kTokens).first(8), false);
  for (std::size_t t = 0; t < 8; ++t) {
    const auto at = state_row(longer.groups[2][3], t, 16);
    const auto next = state_row(longer.groups[2][4], t, 16);
    EXPECT_DOUBLE_EQ(probes.groups[1].residual[0][t], distance(at, next) / length(at));
  }
}

TEST(Probe, WideStatesAndSecondStatesAreSaidToBeLeftOut) {
  ModelSpec spec = small_spec();
  spec.groups[2].fast = {1, 1};
  const ModelFolder folder(spec);
  ProbeOptions options;
  options.widest = 8;
  const Probes probes = probe_tokens(Model::load(folder.path()), run_of(spec), options);
  EXPECT_EQ(probes.groups[0].no_jacobians, "states of 16 channels are wider than 8");
  EXPECT_TRUE(probes.groups[0].no_differences.empty());
  EXPECT_TRUE(probes.groups[0].largest[0][0].empty());
  EXPECT_FALSE(probes.groups[0].exponents.empty());
  EXPECT_FALSE(probes.groups[1].no_differences.empty());
  EXPECT_TRUE(probes.groups[1].exponents.empty());
  EXPECT_EQ(probes.groups[1].residual[0].size(), 8U);
}

TEST(Probe, BasinsAreOfGroupsThatBeginWithNoise) {
  // A linear loop forgets where it began by a factor of 0.5^4, or not at all.
  ModelSpec spec = linear_loop_spec();
  spec.groups[1].first_state = FirstState::noise;
  spec.groups[1].noise_std = 1;
  const auto spread = [&](float decay) {
    ModelFolder folder(spec);
    make_linear(folder, std::vector<float>{decay});
    const Probes probes = probe_tokens(Model::load(folder.path()), run_of(spec));
    EXPECT_TRUE(probes.groups[1].basin_spread[0].empty());
    for (const double vote : probes.groups[0].basin_vote[0]) {
      EXPECT_GE(vote, 0.2);
      EXPECT_LE(vote, 1);
    }
    std::vector<double> all = probes.groups[0].basin_spread[0];
    EXPECT_EQ(all.size(), 8U);
    return median(all);
  };
  const double forgets = spread(0.05F);
  const double keeps = spread(1.0F);
  EXPECT_LT(forgets, 1e-4);
  EXPECT_GT(keeps, 1e-2);
}

TEST(Probe, EntropiesOfAttentionToEqualKeysAreTheirLogarithms) {
  ModelFolder folder;
  const ModelSpec& spec = folder.spec();
  folder.rewrite([&](Weights& weights) {
    for (auto& [name, values] : weights) {
      if (!name.ends_with("attn.qkv.weight")) continue;
      const auto keys = values.begin() + static_cast<std::ptrdiff_t>(spec.attention_size() * spec.hidden_size);
      std::fill(keys, keys + static_cast<std::ptrdiff_t>(spec.kv_size() * spec.hidden_size), 0.0F);
    }
  });
  const Probes probes = probe_tokens(Model::load(folder.path()), run_of(spec));
  const AttentionEntropy& attention = probes.groups[1].attention;
  ASSERT_EQ(attention.entropy.size(), 3U);
  for (std::size_t k = 0; k < 3; ++k) {
    for (std::size_t t = 0; t < 8; ++t) {
      EXPECT_NEAR(attention.entropy[k][1][t], std::log(static_cast<double>(t + 1)), 1e-12);
      if (t > 0) {
        EXPECT_NEAR(attention.normalised[k][1][t], 1, 1e-12);
      }
      if (k > 0) {
        EXPECT_NEAR(attention.head_change[k][1][t], 0, 1e-12);
      }
    }
    EXPECT_TRUE(std::isnan(attention.normalised[k][0][0]));  // it sees itself alone
  }
  EXPECT_TRUE(attention.change[0][0].empty());
  EXPECT_TRUE(attention.head_change[0][0].empty());
}

TEST(Probe, EntropiesOfAttentionAreMeansOverLayersAndHeads) {
  const ModelFolder folder;
  const Model model = Model::load(folder.path());
  const Probes probes = probe_tokens(model, run_of(folder.spec()));
  // Loop b has two layers; by position, loop, layer and head.
  std::vector<double> entropies(8 * 3 * 2 * 4);
  std::vector<double> normalised = entropies;
  Engine engine(model, 1);
  Sequence sequence = engine.start(folder.spec().default_loops(), 8, KvPolicy{}, 1);
  engine.prefill(sequence, std::span(kTokens).first(8), Engine::Logits::none, {}, [&](const AttentionPoint& point) {
    if (point.group != 2) return;
    const int at = ((point.position * 3 + point.loop) * 2 + point.layer) * 4 + static_cast<int>(point.head);
    const double entropy = entropy_of_scores(point.scores);
    entropies[static_cast<std::size_t>(at)] = entropy;
    normalised[static_cast<std::size_t>(at)] = entropy / std::log(point.position + 1);
  });
  const AttentionEntropy& attention = probes.groups[1].attention;
  for (std::size_t t = 1; t < 8; ++t) {
    for (std::size_t k = 0; k < 3; ++k) {
      double mean = 0;
      double mean_normalised = 0;
      double change = 0;
      double head_change = 0;
      for (std::size_t h = 0; h < 8; ++h) {
        const std::size_t at = (t * 3 + k) * 8 + h;
        mean += entropies[at] / 8;
        mean_normalised += normalised[at] / 8;
        if (k == 0) continue;
        change += (entropies[at] - entropies[at - 8]) / 8;
        head_change += std::abs(entropies[at] - entropies[at - 8]) / 8;
      }
      EXPECT_NEAR(attention.entropy[k][0][t], mean, 1e-12);
      EXPECT_NEAR(attention.normalised[k][0][t], mean_normalised, 1e-12);
      if (k == 0) continue;
      EXPECT_NEAR(attention.change[k][0][t], change, 1e-12);
      EXPECT_NEAR(attention.head_change[k][0][t], head_change, 1e-12);
      EXPECT_GT(head_change, std::abs(change));
    }
  }
}

TEST(MeasureDynamics, AllMeasuresAreThereWhenAskedFor) {
  ModelFolder folder(linear_loop_spec());
  make_linear(folder, std::vector<float>{0.5F});
  const Model model = Model::load(folder.path());
  DynamicsOptions options;
  options.loops = folder.spec().default_loops();
  options.window = 8;
  const Dynamics basic = measure_dynamics(model, {{kTokens}, {}}, options);
  EXPECT_FALSE(basic.probes);
  EXPECT_FALSE(basic.geometry);
  for (std::size_t k = 1; k < 4; ++k) {
    for (const double ratio : basic.groups[0].loops[k].contraction) EXPECT_NEAR(ratio, 0.5, 1e-4);
    for (const double angle : basic.groups[0].loops[k].curvature) EXPECT_LT(angle, 0.05);
  }
  options.measures = Measures::all;
  const Dynamics all = measure_dynamics(model, {{kTokens}, {}}, options);
  ASSERT_TRUE(all.probes);
  ASSERT_TRUE(all.geometry);
  EXPECT_EQ(all.geometry->points, 16U);
  EXPECT_EQ(all.geometry->groups.at(0).loops.size(), 5U);
  // A linear map of all states alike, and what is added, leave the last of them nearly what they were before.
  EXPECT_GT(all.geometry->groups[0].cka[3][4], 0.99);
  EXPECT_EQ(all.geometry->groups_cka.size(), 4U);
  EXPECT_NEAR(all.geometry->groups_cka[2][2], 1, 1e-9);
  EXPECT_EQ(all.losses.size(), 16U);
  EXPECT_EQ(all.windows, (std::vector<std::size_t>{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(all.groups[0].loops[1].below_floor, 0);
  options.kv_policy = parse_kv_policy("last", "test");
  EXPECT_FALSE(measure_dynamics(model, {{kTokens}, {}}, options).probes);
}

}  // namespace
}  // namespace gyre::probes_test
