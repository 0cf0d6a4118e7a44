#include "engine/text_stream.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gyre::text_stream_test {
namespace {

using testing::ElementsAre;

/// A stream of characters, a token each, and what it said so far.
struct Heard {
  explicit Heard(TextLimits limits)
      : stream(tokenizer, std::move(limits), [this](const GeneratedToken& token) { texts.push_back(token.text); }) {}

  std::optional<StopReason> take(char character, bool room = true) {
    return stream.take({.token = tokenizer.encode(std::string(1, character)).front(), .text = {}, .depth = {}}, room);
  }
  std::optional<StopReason> take_all(std::string_view text) {
    std::optional<StopReason> reason;
    for (const char character : text) reason = take(character);
    return reason;
  }

  Tokenizer tokenizer = Tokenizer::characters("abcdefg");
  std::vector<std::string> texts;
  TextStream stream;
};

TEST(TextStream, HoldsBackWhatMayBecomeAStopText) {
  Heard heard({.tokens = 100, .stops = {"bcd", "ce"}});
  EXPECT_EQ(heard.take_all("abc"), std::nullopt);
  EXPECT_THAT(heard.texts, ElementsAre("a"));
  EXPECT_EQ(heard.take('f'), std::nullopt);  // neither of them
  EXPECT_THAT(heard.texts, ElementsAre("a", "b", "c", "f"));
  EXPECT_EQ(heard.take_all("bc"), std::nullopt);
  EXPECT_EQ(heard.take('e'), StopReason::stop_text);  // the b before it is none of it
  EXPECT_EQ(heard.stream.text(), "abcfb");
  EXPECT_EQ(heard.stream.tokens().size(), 7U);
}

TEST(TextStream, GivesWhatItHeldWhenTheTextEndsOtherwise) {
  Heard heard({.tokens = 3, .stops = {"abcd"}});
  EXPECT_EQ(heard.take_all("abc"), StopReason::length);
  EXPECT_THAT(heard.texts, ElementsAre());
  heard.stream.finish();
  EXPECT_EQ(heard.stream.text(), "abc");
}

TEST(TextStream, AnEndTokenIsNoneOfTheText) {
  Heard heard({.tokens = 9, .stops = {}, .ends = {6}});
  EXPECT_EQ(heard.take('a'), std::nullopt);
  EXPECT_EQ(heard.take('g'), StopReason::end_token);
  EXPECT_EQ(heard.stream.text(), "a");
  EXPECT_EQ(heard.stream.tokens().size(), 1U);
}

TEST(TextStream, EndsWhereNoOtherTokenHasRoom) {
  Heard heard({.tokens = 9});
  EXPECT_EQ(heard.take('a', false), StopReason::context);
  EXPECT_EQ(heard.stream.text(), "a");
}

}  // namespace
}  // namespace gyre::text_stream_test
