#include "study/measures/token_kinds.hpp"

#include <gtest/gtest.h>

namespace gyre::token_kinds_test {
namespace {

TEST(KindOf, IsSeenFromTheTextAndWhatStandsBefore) {
  EXPECT_EQ(kind_of(" the", "of"), TokenKind::word_start);
  EXPECT_EQ(kind_of("the", ""), TokenKind::word_start);
  EXPECT_EQ(kind_of("the", "of "), TokenKind::word_start);
  EXPECT_EQ(kind_of("the", "4"), TokenKind::word_start);
  EXPECT_EQ(kind_of("ing", "read"), TokenKind::continuation);
  EXPECT_EQ(kind_of("\xc3\xa9", "caf"), TokenKind::continuation);
  EXPECT_EQ(kind_of("x", "caf\xc3\xa9"), TokenKind::continuation);
  EXPECT_EQ(kind_of(" 1984", "in"), TokenKind::digits);
  EXPECT_EQ(kind_of(",", "so"), TokenKind::punctuation);
  EXPECT_EQ(kind_of(" \"I", "so"), TokenKind::punctuation);
  EXPECT_EQ(kind_of("", "so"), TokenKind::punctuation);
  EXPECT_EQ(kind_of("  ", "so"), TokenKind::space);
  EXPECT_EQ(kind_of("\n\n", "so"), TokenKind::newline);
  EXPECT_EQ(kind_of("\nAnd", "so"), TokenKind::word_start);
  for (const TokenKind kind : kTokenKinds) EXPECT_FALSE(name_of(kind).empty());
  EXPECT_EQ(name_of(TokenKind::word_start), "word_start");
}

}  // namespace
}  // namespace gyre::token_kinds_test
