#include "study/windows.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "model_folder.hpp"

namespace gyre::windows_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::ThrowsMessage;

std::vector<Window> cut(const MeasuredText& text, int positions, int score_from = 0) {
  return cut_windows(text, small_spec(), {positions, score_from});
}

TEST(Windows, WithoutAPrefixEachStartsWithTheLastTargetOfTheOneBefore) {
  const std::vector<Window> windows = cut({{{1, 2, 3, 4, 5, 6, 7, 8}}, {}}, 3);
  ASSERT_THAT(windows, SizeIs(3));
  EXPECT_THAT(windows[0].inputs(), ElementsAre(1, 2, 3));
  EXPECT_THAT(windows[0].targets(), ElementsAre(2, 3, 4));
  EXPECT_THAT(windows[1].inputs(), ElementsAre(4, 5, 6));
  EXPECT_THAT(windows[1].targets(), ElementsAre(5, 6, 7));
  EXPECT_THAT(windows[2].inputs(), ElementsAre(7));
  EXPECT_THAT(windows[2].targets(), ElementsAre(8));
  for (const Window& window : windows) EXPECT_EQ(window.first, 0U);
  EXPECT_EQ(windows[1].scored(), 3U);
  EXPECT_EQ(windows[2].scored(), 1U);
  // The text's token number 3 is 4: what position 2 of the first window predicts.
  EXPECT_EQ(windows[0].place_of_target(2), 3);
  EXPECT_EQ(windows[1].place_of_target(0), 4);
}

TEST(Windows, ATextOfOneWindowAndOneTokenMoreHasTwo) {
  EXPECT_THAT(cut({{{1, 2, 3, 4}}, {}}, 3), SizeIs(1));
  EXPECT_THAT(cut({{{1, 2, 3, 4, 5}}, {}}, 3), SizeIs(2));
  EXPECT_THAT(cut({{{1, 2, 3}}, {15}}, 3), SizeIs(1));
  EXPECT_THAT(cut({{{1, 2, 3, 4}}, {15}}, 3), SizeIs(2));
}

TEST(Windows, BehindAPrefixEveryTokenOfTheTextIsATargetOnce) {
  const std::vector<Window> windows = cut({{{1, 2, 3, 4, 5}}, {15}}, 3);
  ASSERT_THAT(windows, SizeIs(2));
  EXPECT_THAT(windows[0].inputs(), ElementsAre(15, 1, 2));
  EXPECT_THAT(windows[0].targets(), ElementsAre(1, 2, 3));
  EXPECT_THAT(windows[1].inputs(), ElementsAre(15, 4));
  EXPECT_THAT(windows[1].targets(), ElementsAre(4, 5));
  EXPECT_EQ(windows[0].first, 0U);
  EXPECT_EQ(windows[0].place_of_target(0), 0);
  EXPECT_EQ(windows[1].place_of_target(1), 4);
}

TEST(Windows, TokensOfALongPrefixAreNotScored) {
  const std::vector<Window> windows = cut({{{1, 2, 3}}, {14, 15}}, 3);
  ASSERT_THAT(windows, SizeIs(2));
  EXPECT_THAT(windows[0].inputs(), ElementsAre(14, 15, 1));
  EXPECT_THAT(windows[0].targets(), ElementsAre(15, 1, 2));
  EXPECT_EQ(windows[0].first, 1U);
  EXPECT_EQ(windows[0].scored(), 2U);
  EXPECT_THAT(windows[1].inputs(), ElementsAre(14, 15));
  EXPECT_EQ(windows[1].scored(), 1U);
  EXPECT_EQ(windows[1].place_of_target(1), 2);
  EXPECT_THAT([] { cut({{{1, 2, 3}}, {14, 15}}, 1); }, ThrowsMessage<Error>(HasSubstr("a window of 1 positions")));
  EXPECT_THAT(cut({{{1, 2, 3}}, {14, 15}}, 2), SizeIs(3));
}

TEST(Windows, PositionsOfContextAreCountedWithThePrefix) {
  const std::vector<Window> windows = cut({{{1, 2, 3, 4, 5}}, {15}}, 3, 2);
  EXPECT_EQ(windows[0].first, 2U);
  EXPECT_EQ(windows[0].scored(), 1U);
  EXPECT_EQ(windows[1].scored(), 0U);
  EXPECT_THAT([] { cut({{{1, 2, 3, 4, 5}}, {15}}, 3, 3); }, ThrowsMessage<Error>(HasSubstr("scoring from 3 leaves")));
}

TEST(Windows, EveryDocumentBeginsAnew) {
  const std::vector<Window> bare = cut({{{1, 2, 3}, {4}, {5, 6}}, {}}, 8);
  ASSERT_THAT(bare, SizeIs(2));  // nothing in a document of one token is predicted
  EXPECT_THAT(bare[0].tokens, ElementsAre(1, 2, 3));
  EXPECT_THAT(bare[1].tokens, ElementsAre(5, 6));
  EXPECT_EQ(bare[1].place_of_target(0), 5);
  const std::vector<Window> begun = cut({{{1, 2, 3}, {4}, {5, 6}}, {15}}, 8);
  ASSERT_THAT(begun, SizeIs(3));
  EXPECT_THAT(begun[1].tokens, ElementsAre(15, 4));
  EXPECT_EQ(begun[1].place_of_target(0), 3);
}

TEST(Windows, TokensOfNoVocabularyAreRefusedWhereverTheyStand) {
  EXPECT_THAT([] { cut({{{1, 2, 16}}, {}}, 8); }, ThrowsMessage<Error>(HasSubstr("outside the vocabulary")));
  EXPECT_THAT([] { cut({{{1, 2}}, {16}}, 8); }, ThrowsMessage<Error>(HasSubstr("outside the vocabulary")));
  EXPECT_THAT([] { cut({{{1}, {}}, {}}, 8); }, ThrowsMessage<Error>(HasSubstr("1 tokens leave nothing to predict")));
}

}  // namespace
}  // namespace gyre::windows_test
