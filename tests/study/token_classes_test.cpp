#include "study/token_classes.hpp"

#include <gtest/gtest.h>

#include "model_folder.hpp"

namespace gyre::token_classes_test {
namespace {

using Tokens = std::vector<std::size_t>;

TEST(TokenClasses, AreByKindAndByLoss) {
  Dynamics dynamics;
  dynamics.inputs = {0, 1, 2, 0, 3, 0, 0, 4};  // " ab c  d"
  dynamics.losses = {8, 1, 7, 2, 6, 3, 5, 4};
  dynamics.windows = {0, 0, 0, 0, 0, 1, 1, 1};
  const Tokenizer tokenizer = Tokenizer::characters(kTestCharacters);
  const std::vector<TokenClass> classes = token_classes(dynamics, tokenizer, 100);
  ASSERT_EQ(classes.size(), 7U);
  EXPECT_EQ(classes[0].name, "word_start");
  EXPECT_EQ(classes[0].tokens, (Tokens{1, 4, 7}));
  EXPECT_EQ(classes[1].name, "continuation");
  EXPECT_EQ(classes[1].tokens, (Tokens{2}));
  EXPECT_EQ(classes[2].name, "space");
  EXPECT_EQ(classes[2].tokens, (Tokens{0, 3, 5, 6}));
  EXPECT_EQ(classes[3].name, "quartile 1");
  EXPECT_EQ(classes[3].by, "loss");
  EXPECT_EQ(classes[3].tokens, (Tokens{1, 3}));
  EXPECT_EQ(classes[6].tokens, (Tokens{0, 2}));
  // Every second one.
  EXPECT_EQ(token_classes(dynamics, tokenizer, 4)[2].tokens, (Tokens{0, 6}));
}

TEST(ValuesByWindow, AreThoseOfTheClass) {
  const std::vector<double> values = {1, 2, 3, 4, 5, 6};
  const auto by_window = values_by_window(values, Tokens{0, 2, 5}, Tokens{0, 0, 0, 1, 1, 2});
  EXPECT_EQ(by_window, (std::vector<std::vector<double>>{{1, 3}, {6}}));
}

}  // namespace
}  // namespace gyre::token_classes_test
