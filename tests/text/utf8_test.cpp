#include "text/utf8.hpp"

#include <gtest/gtest.h>

#include <string>

#include "base/error.hpp"

namespace gyre::utf8_test {
namespace {

constexpr std::size_t kValid = std::string_view::npos;

std::string utf8_of(char32_t point) {
  std::string text;
  append_utf8(text, point);
  return text;
}

std::string error_of(std::string_view text) {
  try {
    require_utf8(text, "prompt");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Utf8, EveryCodePointSurvivesWritingAndReading) {
  for (char32_t point = 0; point <= 0x10FFFF; ++point) {
    const std::string text = utf8_of(point);
    const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
    const Utf8Step step = read_utf8(text);
    ASSERT_EQ(step.kind == Utf8Step::Kind::kCharacter, !surrogate) << std::hex << static_cast<unsigned>(point);
    if (surrogate) continue;
    ASSERT_EQ(step.code_point, point);
    ASSERT_EQ(step.length, text.size());
  }
}

TEST(Utf8, ValidTextHasNoInvalidByte) {
  EXPECT_EQ(first_invalid_utf8(""), kValid);
  EXPECT_EQ(first_invalid_utf8("a long stretch of plain ASCII"), kValid);
  EXPECT_EQ(first_invalid_utf8("eight by\xC3\xA9, \xE6\x9D\xB1\xE4\xBA\xAC, \xF0\x9F\x91\x8D"), kValid);
}

TEST(Utf8, OverlongFormsSurrogatesAndTooLargeCodePointsAreInvalid) {
  const auto after_text = [](const std::string& bytes) { return first_invalid_utf8("0123456789" + bytes + "rest"); };
  for (const char* bytes :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xE2\x82", "\xED\xA0\x80",
        "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF", "\xF0\x9F\x91", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xFE"}) {
    EXPECT_EQ(after_text(bytes), 10U) << bytes;
  }
  EXPECT_EQ(first_invalid_utf8("abc\xE2\x82"), 3U) << "a character cut off by the end";
}

TEST(Utf8, TheErrorNamesThePlaceTheByteAndTheOffset) {
  EXPECT_EQ(error_of("abc\xFF"), "prompt: byte 0xff at offset 3 is not UTF-8; give UTF-8 text");
  EXPECT_EQ(error_of("abc"), "");
}

TEST(Utf8, SplitsIntoCodePoints) {
  EXPECT_EQ(code_points("a\xC3\xA9\xE6\x9D\xB1\xF0\x9F\x91\x8D"), (std::vector<char32_t>{'a', 0xE9, 0x6771, 0x1F44D}));
}

TEST(Utf8, InvalidRunsAreAsLongAsOneReplacementCharacterStandsFor) {
  const auto length_of = [](std::string_view text) { return read_utf8(text).length; };
  EXPECT_EQ(length_of("\xF0\x9F\x91x"), 3U);
  EXPECT_EQ(length_of("\xE2\x28\xA1"), 1U);
  EXPECT_EQ(length_of("\xED\xA0\x80"), 1U);
}

}  // namespace
}  // namespace gyre::utf8_test
