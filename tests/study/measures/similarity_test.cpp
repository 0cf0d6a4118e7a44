#include "study/measures/similarity.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.hpp"

namespace gyre::similarity_test {
namespace {

std::vector<float> drawn(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(static_cast<float>(random.normal()));
  return values;
}

TEST(LinearCka, IsOneOfStatesThatAreTurnedMovedAndScaled) {
  const std::vector<float> states = drawn(60 * 3, 1);
  std::vector<float> turned;
  for (std::size_t t = 0; t < 60; ++t) {
    const float x = states[3 * t];
    const float y = states[3 * t + 1];
    turned.insert(turned.end(), {7 + 5 * (0.6F * x - 0.8F * y), 5 * (0.8F * x + 0.6F * y), -3 - 5 * states[3 * t + 2]});
  }
  EXPECT_NEAR(linear_cka(point_products(states, 3), point_products(turned, 3)), 1, 1e-5);
}

TEST(LinearCka, IsNothingOfWideStatesThatHaveNothingInCommon) {
  // The plain estimate would be about 0.9 here, of states wider than the sample.
  const auto a = point_products(drawn(std::size_t{50} * 400, 2), 400);
  const auto b = point_products(drawn(std::size_t{50} * 400, 3), 400);
  EXPECT_NEAR(linear_cka(a, b), 0, 0.1);
  EXPECT_NEAR(linear_cka(a, a), 1, 1e-12);
}

TEST(LinearCka, OfSharedDirections) {
  // Of two independent directions of the same size one is shared: ‖C‖² / (‖A‖ ‖B‖) = 1 / (√2 · √2).
  const std::vector<float> x = drawn(4000, 4);
  const std::vector<float> y = drawn(4000, 5);
  const std::vector<float> z = drawn(4000, 6);
  std::vector<float> a;
  std::vector<float> b;
  for (std::size_t t = 0; t < 1000; ++t) {
    a.insert(a.end(), {x[t], y[t]});
    b.insert(b.end(), {z[t], x[t]});
  }
  EXPECT_NEAR(linear_cka(point_products(a, 2), point_products(b, 2)), 0.5, 0.05);
}

TEST(LinearCka, OfWhatDoesNotVaryIsUndefined) {
  const auto still = point_products(std::vector<float>(20, 1.0F), 2);
  const auto moving = point_products(drawn(20, 7), 2);
  EXPECT_TRUE(std::isnan(linear_cka(still, moving)));
  EXPECT_TRUE(std::isnan(linear_cka(point_products(drawn(6, 1), 2), point_products(drawn(6, 2), 2))));
}

}  // namespace
}  // namespace gyre::similarity_test
