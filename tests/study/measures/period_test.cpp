#include "study/measures/period.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

namespace gyre::period_test {
namespace {

Ending ending_along(int loops, const std::function<std::vector<float>(int loop)>& state) {
  std::vector<std::vector<float>> states;
  for (int k = 0; k <= loops; ++k) states.push_back(state(k));
  const std::vector<std::span<const float>> path(states.begin(), states.end());
  return ending_of(path);
}

std::vector<float> on_a_circle(double turn) {
  const double angle = 2 * std::numbers::pi * turn;
  return {static_cast<float>(5 + std::cos(angle)), static_cast<float>(std::sin(angle))};
}

TEST(EndingOf, FindsTheShortestPeriod) {
  for (const int period : {2, 3, 5, 6}) {
    const Ending ending = ending_along(20, [&](int k) { return on_a_circle(static_cast<double>(k) / period); });
    EXPECT_EQ(ending.kind, Ending::Kind::cycle);
    EXPECT_EQ(ending.period, period);
  }
}

TEST(EndingOf, AnOrbitIsFoundUnderWhatStillDies) {
  const auto state = [](int k) {
    const double rest = std::pow(0.3, k);
    return std::vector<float>{static_cast<float>(k % 2 == 0 ? 1 : -1), static_cast<float>(4 + rest)};
  };
  EXPECT_EQ(ending_along(24, state).period, 2);
}

TEST(EndingOf, WhatComesToRestIsAFixedPoint) {
  const auto decaying = [](int k) { return std::vector<float>{std::ldexp(1.0F, -k), 1}; };
  EXPECT_EQ(ending_along(30, decaying).kind, Ending::Kind::fixed);
  EXPECT_EQ(ending_along(30, decaying).period, 1);
  // Of 16 loops the last 12 begin with a step of 2^-5 of the state, and the last 6 with one of 2^-11; of 14, of 2^-9.
  EXPECT_EQ(ending_along(16, decaying).kind, Ending::Kind::fixed);
  EXPECT_EQ(ending_along(14, decaying).kind, Ending::Kind::moving);
}

TEST(EndingOf, WhatGoesOnHasNoPeriod) {
  const auto line = [](int k) { return std::vector<float>{static_cast<float>(k), 1}; };
  EXPECT_EQ(ending_along(20, line).kind, Ending::Kind::moving);
  EXPECT_EQ(ending_along(20, line).period, 0);
  // A turn in 11 loops, and one that never closes.
  EXPECT_EQ(ending_along(30, [](int k) { return on_a_circle(k / 11.0); }).kind, Ending::Kind::moving);
  EXPECT_EQ(ending_along(30, [](int k) { return on_a_circle(k * std::numbers::sqrt2); }).kind, Ending::Kind::moving);
}

TEST(EndingOf, AShortPathHasNoPeriodOfWhichItShowsNoTwoRounds) {
  const auto cycle = [](int k) { return on_a_circle(k / 3.0); };
  EXPECT_EQ(ending_along(5, cycle).kind, Ending::Kind::moving);
  EXPECT_EQ(ending_along(6, cycle).period, 3);
  EXPECT_EQ(ending_along(0, cycle).kind, Ending::Kind::moving);
}

}  // namespace
}  // namespace gyre::period_test
