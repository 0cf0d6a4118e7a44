#include "study/turning.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "base/random.hpp"

namespace gyre::turning_test {
namespace {

using Points = std::vector<std::pair<double, double>>;

Turning turning(const Points& points) {
  std::vector<double> x;
  std::vector<double> y;
  for (const auto& [a, b] : points) {
    x.push_back(a);
    y.push_back(b);
  }
  return turning_in_plane(x, y);
}

using States = std::vector<std::vector<float>>;

Turning turning_of_states(const States& states) {
  const std::vector<std::span<const float>> path(states.begin(), states.end());
  return turning_of(path);
}

TEST(Turning, CountsTurnsToEitherSide) {
  const Turning square = turning({{0, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 0}});
  EXPECT_EQ(square.left, 3);
  EXPECT_EQ(square.right, 0);
  EXPECT_EQ(square.places, 3);
  EXPECT_EQ(square.share(), 1);
  EXPECT_NEAR(square.winding, 0.75, 1e-12);
  const Turning mirrored = turning({{0, 0}, {1, 0}, {1, -1}, {0, -1}, {0, 0}});
  EXPECT_EQ(mirrored.share(), 1);
  EXPECT_NEAR(mirrored.winding, -0.75, 1e-12);
  // Left, right, right.
  const Turning both = turning({{0, 0}, {1, 0}, {1, 1}, {2, 1}, {2, 0}});
  EXPECT_EQ(both.left, 1);
  EXPECT_EQ(both.right, 2);
  EXPECT_EQ(both.share(), 2.0 / 3);
  EXPECT_NEAR(both.winding, -0.25, 1e-12);
}

TEST(Turning, AStraightPathHasNoTurnsHoweverItDecays) {
  for (const double decay : {1.0, 0.5, -0.5}) {  // the last goes to and fro
    Points points;
    double place = 0;
    for (int k = 0; k < 8; ++k) {
      points.emplace_back(3 * place, -4 * place);
      place += std::pow(decay, k);
    }
    const Turning straight = turning(points);
    EXPECT_EQ(straight.left + straight.right, 0) << decay;
    EXPECT_EQ(straight.places, 6) << decay;
    EXPECT_EQ(straight.share(), 0) << decay;
  }
  // Turns of less than 0.01 (0.6°) are none.
  EXPECT_EQ(turning({{0, 0}, {1, 0}, {2, 0.009}, {3, 0.027}}).share(), 0);
  EXPECT_EQ(turning({{0, 0}, {1, 0}, {2, 0.011}, {3, 0.033}}).share(), 1);
}

TEST(Turning, StepsOfNoLengthArePlacesOfNoTurn) {
  const Turning rests = turning({{0, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 1}, {0, 1 + 1e-6}});
  EXPECT_EQ(rests.places, 2);
  EXPECT_EQ(rests.share(), 1);
  EXPECT_TRUE(std::isnan(turning({{1, 1}, {1, 1}, {1, 1}, {1, 1}}).share()));
  EXPECT_TRUE(std::isnan(turning({{0, 0}, {1, 0}, {1, 1}}).share()));  // one turn is always the commoner one
  EXPECT_TRUE(std::isnan(turning({}).share()));
}

TEST(Turning, ASpiralInAnyPlaneTurnsOneWay) {
  // Twelve steps around a circle, 40° each, in a plane of 32 dimensions, far away from the origin.
  Random random(7);
  std::vector<double> a(32);
  std::vector<double> b(32);
  for (double& value : a) value = random.normal();
  for (double& value : b) value = random.normal();
  double along = 0;
  double square = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    along += a[i] * b[i];
    square += a[i] * a[i];
  }
  double left = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    b[i] -= along / square * a[i];
    left += b[i] * b[i];
  }
  States states;
  for (int k = 0; k <= 12; ++k) {
    std::vector<float>& state = states.emplace_back();
    const double angle = 2 * std::numbers::pi * k / 9;
    for (std::size_t i = 0; i < 32; ++i) {
      state.push_back(static_cast<float>(5 + std::cos(angle) * a[i] / std::sqrt(square) +
                                         std::sin(angle) * b[i] / std::sqrt(left)));
    }
  }
  const Turning turning = turning_of_states(states);
  EXPECT_EQ(turning.places, 11);
  EXPECT_EQ(turning.share(), 1);
  EXPECT_NEAR(std::abs(turning.winding), 11.0 / 9, 1e-4);
}

TEST(Turning, StatesThatDecayStraightHaveNoTurns) {
  States states;
  double place = 1;
  for (int k = 0; k < 8; ++k) {
    states.push_back({static_cast<float>(place), 3, static_cast<float>(-2 * place), 1});
    place *= 0.5;
  }
  const Turning straight = turning_of_states(states);
  EXPECT_EQ(straight.places, 6);
  EXPECT_EQ(straight.share(), 0);
}

TEST(RandomShare, OfAPlaneIsThatOfCoins) {
  // Four turns, each to the left or to the right: (2 · 4 + 8 · 3 + 6 · 2) / 16 of them go the commoner way.
  const double share = random_share(std::vector<double>(5, 1.0), {}, {.dimension = 2, .seed = 1, .count = 4000});
  EXPECT_NEAR(share, 44.0 / 64, 0.012);
}

TEST(RandomShare, OfManyDimensionsIsThatOfAnArc) {
  // Of 300 such walks each, drawn and projected by numpy: 1.000, 0.901 and 0.643.
  const RandomPaths paths{.dimension = 256, .seed = 1, .count = 400};
  EXPECT_GT(random_share(std::vector<double>(3, 1.0), {}, paths), 0.99);
  EXPECT_NEAR(random_share(std::vector<double>(7, 1.0), {}, paths), 0.901, 0.03);
  const std::vector<double> halving = {1, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625};
  EXPECT_NEAR(random_share(halving, {}, paths), 0.643, 0.03);
}

TEST(RandomShare, IsWhatRandomWalksHave) {
  const std::vector<double> lengths = {1, 0.9, 0.8, 0.9, 0.7, 0.6, 0.5};
  Random random(3);
  double sum = 0;
  constexpr int kWalks = 1500;
  for (int i = 0; i < kWalks; ++i) {
    States states = {std::vector<float>(20, 0.0F)};
    for (const double length : lengths) {
      std::vector<double> step(20);
      double square = 0;
      for (double& value : step) {
        value = random.normal();
        square += value * value;
      }
      std::vector<float> next = states.back();
      for (std::size_t j = 0; j < 20; ++j) next[j] += static_cast<float>(length * step[j] / std::sqrt(square));
      states.push_back(next);
    }
    sum += turning_of_states(states).share();
  }
  EXPECT_NEAR(random_share(lengths, {}, {.dimension = 20, .seed = 1, .count = kWalks}), sum / kWalks, 0.015);
}

TEST(RandomShare, KeepsTheAnglesItIsGiven) {
  const std::vector<double> lengths(6, 1.0);
  RandomPaths paths{RandomPaths::Directions::same_angles, 3, 1, 200};
  EXPECT_EQ(random_share(lengths, std::vector<double>(5, 1.0), paths), 0);   // straight on
  EXPECT_EQ(random_share(lengths, std::vector<double>(5, -1.0), paths), 0);  // to and fro
  // Small turns make smooth paths, which bend one way more often than those that know no direction.
  const double smooth = random_share(lengths, std::vector<double>(5, 0.9), paths);
  paths.directions = RandomPaths::Directions::uniform;
  EXPECT_GT(smooth, random_share(lengths, std::vector<double>(5, 0.9), paths) + 0.05);
}

TEST(RandomShare, IsUnknownWhereNothingCanTurnTwice) {
  const std::vector<double> two(2, 1.0);
  EXPECT_TRUE(std::isnan(random_share(two, {}, {.dimension = 8})));
  EXPECT_TRUE(std::isnan(random_share(std::vector<double>(4, 0.0), {}, {.dimension = 8})));
  EXPECT_TRUE(std::isnan(random_share(std::vector<double>(4, 1.0), {}, {.dimension = 1})));
}

}  // namespace
}  // namespace gyre::turning_test
