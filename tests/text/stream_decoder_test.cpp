#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "text/tokenizer.hpp"
#include "text/utf8.hpp"

namespace gyre::stream_decoder_test {
namespace {

/// The tokens of raw bytes, which need not be UTF-8.
std::vector<std::int32_t> tokens_of_bytes(const Tokenizer& tokenizer, std::string_view bytes) {
  std::vector<std::int32_t> tokens;
  for (const char byte : bytes) {
    for (std::int32_t id = 0; id < tokenizer.size(); ++id) {
      if (tokenizer.piece(id) == std::string(1, byte)) tokens.push_back(id);
    }
  }
  return tokens;
}

std::string stream(const Tokenizer& tokenizer, std::string_view bytes) {
  StreamDecoder decoder(tokenizer);
  std::string text;
  for (const std::int32_t token : tokens_of_bytes(tokenizer, bytes)) {
    const std::string part = decoder.push(token);
    EXPECT_EQ(first_invalid_utf8(part), std::string_view::npos) << "emitted a part of a character";
    text += part;
  }
  return text + decoder.flush();
}

TEST(StreamDecoder, NeverEmitsAPartOfACharacter) {
  const std::string text = "na\u00efve \u6771\u4eac \U0001F468\u200D\U0001F469 e\u0301 end";
  EXPECT_EQ(stream(Tokenizer::bytes(), text), text);
}

TEST(StreamDecoder, EmitsACharacterWithItsLastByte) {
  const Tokenizer tokenizer = Tokenizer::bytes();
  StreamDecoder decoder(tokenizer);
  std::vector<std::string> parts;
  for (const std::int32_t token : tokenizer.encode("a\u6771b")) parts.push_back(decoder.push(token));
  EXPECT_EQ(parts, (std::vector<std::string>{"a", "", "", "\u6771", "b"}));
  EXPECT_EQ(decoder.flush(), "");
}

TEST(StreamDecoder, InvalidSequencesBecomeReplacementCharacters) {
  const Tokenizer tokenizer = Tokenizer::bytes();
  EXPECT_EQ(stream(tokenizer, "a\xFFz"), "a\uFFFDz");
  EXPECT_EQ(stream(tokenizer, "a\xF0\x9F\x91z"), "a\uFFFDz");
  EXPECT_EQ(stream(tokenizer, "\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(stream(tokenizer, "\xE2\xE2\x82\xAC"), "\uFFFD\u20AC");
}

TEST(StreamDecoder, FlushReplacesACharacterThatWasNeverCompletedAndStartsAnew) {
  const Tokenizer tokenizer = Tokenizer::bytes();
  StreamDecoder decoder(tokenizer);
  EXPECT_EQ(decoder.push(tokens_of_bytes(tokenizer, "\xE6").front()), "");
  EXPECT_EQ(decoder.flush(), "\uFFFD");
  EXPECT_EQ(decoder.flush(), "");
  EXPECT_EQ(decoder.push(tokens_of_bytes(tokenizer, "a").front()), "a");
}

}  // namespace
}  // namespace gyre::stream_decoder_test
