#include "study/measures/segmentation.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace gyre::segmentation_test {
namespace {

/// 1 inside of blocks, `across` between them.
std::vector<std::vector<double>> blocks(const std::vector<int>& sizes, double across) {
  std::vector<std::size_t> block_of;
  for (std::size_t b = 0; b < sizes.size(); ++b) block_of.insert(block_of.end(), static_cast<std::size_t>(sizes[b]), b);
  std::vector<std::vector<double>> similarity;
  for (const std::size_t a : block_of) {
    similarity.emplace_back();
    for (const std::size_t b : block_of) similarity.back().push_back(a == b ? 1 : across);
  }
  return similarity;
}

TEST(BestSegments, FindsTheBlocksThatAreThere) {
  const auto segments = best_segments(blocks({2, 4, 1, 3}, 0.3), 4);
  ASSERT_EQ(segments.size(), 4U);
  EXPECT_EQ(segments[0].first, 0U);
  EXPECT_EQ(segments[0].last, 1U);
  EXPECT_EQ(segments[1].first, 2U);
  EXPECT_EQ(segments[1].last, 5U);
  EXPECT_EQ(segments[2], (Segment{6, 6, 6}));
  EXPECT_EQ(segments[3].last, 9U);
}

TEST(BestSegments, OfOneAndOfAll) {
  const auto similarity = blocks({2, 2}, 0.5);
  EXPECT_EQ(best_segments(similarity, 1), (std::vector<Segment>{{0, 3, 0}}));
  EXPECT_EQ(best_segments(similarity, 4), (std::vector<Segment>{{0, 0, 0}, {1, 1, 1}, {2, 2, 2}, {3, 3, 3}}));
}

TEST(BestSegments, TheRepresentativeIsTheOneMostLikeTheOthers) {
  const std::vector<std::vector<double>> similarity = {{1, 0.8, 0.1}, {0.8, 1, 0.7}, {0.1, 0.7, 1}};
  EXPECT_EQ(best_segments(similarity, 1).front().representative, 1U);
  // By hand: {0, 1} {2} is worth (2 + 1.6) / 2 + 1, {0} {1, 2} 1 + (2 + 1.4) / 2.
  EXPECT_EQ(best_segments(similarity, 2).front().last, 1U);
}

TEST(BestSegments, WhatIsUndefinedIsLikeNothing) {
  auto similarity = blocks({3, 3}, 0.5);
  for (std::size_t i = 1; i < 6; ++i) similarity[0][i] = similarity[i][0] = std::numeric_limits<double>::quiet_NaN();
  // {0} and the others: 1 + 19 / 5; {0, 1, 2} and the others: 5 / 3 + 3.
  EXPECT_EQ(best_segments(similarity, 2).front(), (Segment{0, 0, 0}));
}

}  // namespace
}  // namespace gyre::segmentation_test
