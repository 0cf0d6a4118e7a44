#include "study/token_map.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "model_folder.hpp"
#include "study/measures/lyapunov.hpp"
#include "study/window_states.hpp"

namespace gyre::token_map_test {
namespace {

constexpr std::size_t kHidden = 16;

class TokenMapOfASmallModel : public ::testing::Test {
 protected:
  TokenMapOfASmallModel() : sequence_(engine_.start({1, 4, 7, 1}, 12, KvPolicy{}, 1)) {
    pass_ = run_window(engine_, sequence_, tokens_, false);
  }

  /// The state of the token at kPlace in the second looped group.
  [[nodiscard]] std::span<const float> state(std::size_t loop) const {
    return state_row(pass_.groups[2][loop], kPlace, kHidden);
  }
  [[nodiscard]] std::vector<PathPoint> path(std::size_t loops, double width) const {
    std::vector<PathPoint> points;
    for (std::size_t k = 0; k < loops; ++k) points.push_back({state(k), width});
    return points;
  }
  [[nodiscard]] Sequence before() const {
    Sequence shorter = sequence_.fork();
    shorter.truncate(static_cast<int>(kPlace));
    return shorter;
  }

  static constexpr std::size_t kPlace = 5;
  const std::vector<std::int32_t> tokens_ = {3, 7, 1, 15, 0, 4, 9};
  ModelFolder folder_;
  Model model_ = Model::load(folder_.path());
  Engine engine_{model_, 1};
  Sequence sequence_;
  WindowPass pass_;
};

TEST_F(TokenMapOfASmallModel, TakesAStateWhereTheWindowTookIt) {
  const Sequence fixed = before();
  TokenMap map(engine_, fixed, tokens_[kPlace], 2, 3);
  for (std::size_t k = 0; k < 6; ++k) {
    std::vector<float> rows(3 * kHidden, 0.25F);  // the copies beside it are elsewhere
    std::copy(state(k).begin(), state(k).end(), rows.begin() + kHidden);
    const std::span<const float> after = map.step(rows);
    for (std::size_t c = 0; c < kHidden; ++c) EXPECT_EQ(after[kHidden + c], state(k + 1)[c]) << k;
  }
  EXPECT_EQ(fixed.length, 5);
}

TEST_F(TokenMapOfASmallModel, JacobiansAreDifferencesOfTheWholeWindow) {
  constexpr double kWidth = 0.02;
  const auto jacobians = path_jacobians(engine_, before(), tokens_[kPlace], 2, path(3, kWidth));
  ASSERT_EQ(jacobians.size(), 3U);
  // The window again, its state moved along one channel before the third loop.
  const auto moved = [&](std::size_t channel, double by) {
    Sequence sequence = engine_.start({1, 4, 7, 1}, 12, KvPolicy{}, 1);
    std::vector<float> after;
    engine_.prefill(sequence, tokens_, Engine::Logits::none, [&](const TracePoint& point) {
      const std::span<float> row = point.states.subspan(kPlace * kHidden, kHidden);
      if (point.group == 2 && point.loop == 2)
        row[channel] = static_cast<float>(static_cast<double>(row[channel]) + by);
      if (point.group == 2 && point.loop == 3) after.assign(row.begin(), row.end());
    });
    return after;
  };
  for (const std::size_t channel : {0U, 7U, 15U}) {
    const std::vector<float> ahead = moved(channel, kWidth);
    const std::vector<float> behind = moved(channel, -kWidth);
    for (std::size_t c = 0; c < kHidden; ++c) {
      const double wanted = static_cast<double>(ahead[c] - behind[c]) / (2 * kWidth);
      EXPECT_NEAR(jacobians[2][c * kHidden + channel], wanted, 1e-3);
    }
  }
}

TEST_F(TokenMapOfASmallModel, GrowthIsThatOfTheJacobians) {
  const auto points = path(6, 0.02);
  const auto growth = direction_growth(engine_, before(), tokens_[kPlace], 2, points, {3, 1, 11});
  const auto jacobians = path_jacobians(engine_, before(), tokens_[kPlace], 2, points);
  ASSERT_EQ(growth.size(), 6U);
  Directions carried(kHidden, 3, 11);
  for (std::size_t k = 0; k < growth.size(); ++k) {
    for (std::size_t j = 0; j < 3; ++j) {
      const std::vector<double> old(carried.column(j).begin(), carried.column(j).end());
      for (std::size_t r = 0; r < kHidden; ++r) {
        double sum = 0;
        for (std::size_t c = 0; c < kHidden; ++c) sum += jacobians[k][r * kHidden + c] * old[c];
        carried.column(j)[r] = sum;
      }
    }
    const std::vector<double> wanted = carried.orthonormalise();
    ASSERT_EQ(growth[k].size(), 3U);
    for (std::size_t j = 0; j < 3; ++j) EXPECT_NEAR(growth[k][j], wanted[j], 5e-3) << k << " " << j;
  }
}

TEST_F(TokenMapOfASmallModel, RoundsGoOnFromWhereTheLastOneEnded) {
  const auto points = path(6, 0.02);
  const auto leading = [&](int rounds) {
    const auto growth = direction_growth(engine_, before(), tokens_[kPlace], 2, points, {1, rounds, 11});
    double sum = 0;
    for (const std::vector<double>& loop : growth) sum += loop[0];
    return sum;
  };
  // The product of the Jacobians has one largest eigenvalue, or two that are conjugate: its modulus is met in the long
  // run, and no less of it later than by the direction that was drawn.
  const double long_run = leading(24);
  EXPECT_NEAR(leading(25), long_run, 0.1 * std::abs(long_run) + 0.1);
  EXPECT_GT(long_run, leading(1));
}

}  // namespace
}  // namespace gyre::token_map_test
