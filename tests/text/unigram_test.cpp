#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "text/characters_map.hpp"
#include "text/tokenizer.hpp"

// Unigram models and their table of characters, on cases worked by hand; the golden ones are in
// tokenizer_families_test.

namespace gyre::unigram_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Json = nlohmann::json;
using Tokens = std::vector<std::int32_t>;
using Pieces = std::vector<std::pair<std::string, double>>;

Json file_of(const Json& vocabulary, const Json& unknown, bool byte_fallback = false) {
  return {
      {"decoder", {{"type", "Fuse"}}},
      {"model", {{"type", "Unigram"}, {"unk_id", unknown}, {"vocab", vocabulary}, {"byte_fallback", byte_fallback}}}};
}

Tokens encode(const Json& file, const std::string& text) {
  return Tokenizer::parse(file.dump(), "t.json").encode(text);
}

auto refused(const Json& file, const std::string& says) {
  EXPECT_THAT([&] { Tokenizer::parse(file.dump(), "t.json"); },
              ThrowsMessage<Error>(AllOf(HasSubstr("t.json: "), HasSubstr(says))));
}

const Pieces kVocabulary = {{"<unk>", 0.0}, {"a", -1.0}, {"b", -2.0}, {"ab", -2.5}, {"abc", -9.0}, {"ba", -1.5}};

TEST(Unigram, TakesTheCutWhoseScoresSumHighest) {
  const Json file = file_of(kVocabulary, 0);
  EXPECT_EQ(encode(file, "a"), (Tokens{1}));
  EXPECT_EQ(encode(file, "ab"), (Tokens{3}));           // -2.5, not -1 - 2
  EXPECT_EQ(encode(file, "aba"), (Tokens{1, 5}));       // -1 - 1.5, not -2.5 - 1
  EXPECT_EQ(encode(file, "abab"), (Tokens{1, 5, 2}));   // -4.5, not -2.5 - 2.5
  EXPECT_EQ(encode(file, "ababa"), (Tokens{1, 5, 5}));  // -4, not -2.5 - 1 - 1.5
  EXPECT_EQ(encode(file, ""), Tokens{});
}

TEST(Unigram, AnUnknownCharacterCostsTenMoreThanTheWorstPiece) {
  EXPECT_EQ(encode(file_of(kVocabulary, 0), "abc"), (Tokens{4}));  // -9 is above -2.5 - 19
  Pieces vocabulary = kVocabulary;
  vocabulary[4] = {"abc", -21.4};  // -2.5 - 31.4 is what the other way comes to: the worst piece sets the price
  EXPECT_EQ(encode(file_of(vocabulary, 0), "abc"), (Tokens{4}));
  for (const auto& [score, tokens] : {std::pair(9.5, Tokens{2}), std::pair(10.5, Tokens{1, 0})}) {
    const Pieces pair = {{"<unk>", 0.0}, {"b", score}, {"bc", -3.0}};  // b and an unknown c: score - 3 - 10
    EXPECT_EQ(encode(file_of(pair, 0), "bc"), tokens);
  }
  vocabulary.push_back({"c\u00e9", -11.0});
  EXPECT_EQ(encode(file_of(vocabulary, 0), "c"), (Tokens{0}));
  EXPECT_EQ(encode(file_of(vocabulary, 0), "c\u00e9"), (Tokens{6}));
}

TEST(Unigram, UnknownNeighboursAreOneToken) {
  EXPECT_EQ(encode(file_of(kVocabulary, 0), "xyabz\u00e9x"), (Tokens{0, 3, 0}));
  EXPECT_EQ(encode(file_of(kVocabulary, 0), "x<unk>x"), (Tokens{0}));
}

TEST(Unigram, OfEqualCutsTheFirstFoundIsTaken) {
  const Pieces vocabulary = {{"<unk>", 0.0}, {"a", -1.0}, {"aa", -2.0}};
  EXPECT_EQ(encode(file_of(vocabulary, 0), "aa"), (Tokens{2}));
  EXPECT_EQ(encode(file_of(vocabulary, 0), "aaa"), (Tokens{1, 2}));
}

TEST(Unigram, OfTwoPiecesAlikeTheLastCounts) {
  const Pieces vocabulary = {{"<unk>", 0.0}, {"a", -1.0}, {"b", -1.0}, {"ab", -9.0}, {"a", -1.0}, {"ab", -1.0}};
  EXPECT_EQ(encode(file_of(vocabulary, 0), "aba"), (Tokens{5, 4}));
  EXPECT_EQ(Tokenizer::parse(file_of(vocabulary, 0).dump(), "t.json").decode(Tokens{1, 4}), "aa");
}

TEST(Unigram, UnknownCharactersBecomeTheirBytesWhereAllAreThere) {
  Pieces vocabulary = kVocabulary;
  vocabulary.push_back({"<0xC3>", -30.0});
  vocabulary.push_back({"<0xA9>", -30.0});
  EXPECT_EQ(encode(file_of(vocabulary, 0, true), "a\u00e9b"), (Tokens{1, 6, 7, 2}));
  EXPECT_EQ(encode(file_of(vocabulary, 0, false), "a\u00e9b"), (Tokens{1, 0, 2}));
  EXPECT_EQ(encode(file_of(vocabulary, 0, true), "a\u00e8b"), (Tokens{1, 0, 2}));  // no <0xA8>
}

TEST(Unigram, WithoutAnUnknownTokenTheCharacterIsNamed) {
  const Json file = file_of(kVocabulary, nullptr);
  EXPECT_EQ(encode(file, "aba"), (Tokens{1, 5}));
  EXPECT_THAT(
      [&] { encode(file, "ab\u00e9"); },
      ThrowsMessage<Error>(HasSubstr("the character \"\u00e9\" (U+00E9) at offset 2 is not in the vocabulary")));
}

TEST(Unigram, WhatIsBrokenIsNamed) {
  refused(file_of(kVocabulary, 6), "model: unk_id");
  refused(file_of(kVocabulary, -1), "unk_id");
  refused(file_of(Json::array(), nullptr), "model.vocab is empty");
  refused(file_of(Json::array(), 0), "model.vocab is empty");
  for (const Json& piece :
       {Json("a"), Json{{"a", 1}}, Json::array({"a"}), Json::array({"a", "b"}), Json::array({1, 1.0})}) {
    refused(file_of(Json::array({Json::array({"b", 0.0}), piece}), 0),
            "model.vocab[1]: expected a token and its score");
  }
  Json file = file_of(kVocabulary, 0);
  file["pre_tokenizer"] = {{"type", "ByteLevel"}};
  file["decoder"] = {{"type", "ByteLevel"}};
  refused(file, "pre_tokenizer: ByteLevel does not go with a Unigram model");
  file = file_of(kVocabulary, 0);
  file["model"]["merges"] = Json::array();
  refused(file, "merges");
}

std::string base64(const std::string& bytes) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = bits << 8U | (i + k < bytes.size() ? static_cast<std::uint8_t>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += i + k <= bytes.size() ? digits[bits >> (18 - 6 * k) & 63U] : '=';
    }
  }
  return text;
}

std::string table(const std::vector<std::uint32_t>& units, const std::string& replacements) {
  std::string bytes(4 + 4 * units.size(), '\0');
  const auto size = static_cast<std::uint32_t>(4 * units.size());
  std::memcpy(bytes.data(), &size, 4);
  std::memcpy(bytes.data() + 4, units.data(), size);
  return base64(bytes + replacements);
}

/// A trie of the one key "x". Its root's children lie 1 off, so the node of x (0x78) is 1 ^ 0x78 = 121; a leaf hangs
/// there, again 1 off: unit 120, which holds where the replacement begins.
std::vector<std::uint32_t> units_of_x(std::uint32_t value) {
  std::vector<std::uint32_t> units(256);
  units[0] = 1U << 10U;
  units[121] = 1U << 10U | 1U << 8U | 0x78U;
  units[120] = 1U << 31U | value;
  return units;
}

std::string mapped(const std::string& base64_text, const std::string& text) {
  return CharactersMap(base64_text, "t.json: normalizer").apply(text, Growth("normalizer", text.size()));
}

TEST(CharactersMapByHand, ReplacesWhatItsTableHolds) {
  const std::string made = table(units_of_x(3), std::string("no\0yz\0", 6));
  EXPECT_EQ(mapped(made, "axb"), "ayzb");
  EXPECT_EQ(mapped(made, "xx x"), "yzyz yz");
  EXPECT_EQ(mapped(made, ""), "");
  EXPECT_EQ(mapped(made, std::string("x\0x", 3)), std::string("yz\0yz", 5));
}

TEST(CharactersMapByHand, AShortClusterIsReplacedWhole) {
  const std::string made = table(units_of_x(0), std::string("y\0", 2));
  EXPECT_EQ(mapped(made, "x\u0301a"), "ya");                    // 3 bytes: the mark goes too
  EXPECT_EQ(mapped(made, "x\u0301\u0301a"), "ya");              // 5 bytes
  EXPECT_EQ(mapped(made, "x\u0301\u20dda"), "y\u0301\u20dda");  // 6 bytes: character by character
  EXPECT_EQ(mapped(made, "a\u0301x"), "a\u0301y");
}

TEST(CharactersMapByHand, WhatIsDamagedIsNamed) {
  const auto says = [](const std::string& base64_text, const std::string& text, const std::string& what) {
    EXPECT_THAT([&] { mapped(base64_text, text); },
                ThrowsMessage<Error>(AllOf(HasSubstr("t.json: normalizer: precompiled_charsmap"), HasSubstr(what))));
  };
  for (const std::string text : {"a", "ab=c", "a===", "ab!d", "AAAB=AAA", "AB=="}) says(text, "", "is no base64");
  says("", "", "is cut short");
  says(base64("\x01\x01"), "", "is cut short");
  says(base64(std::string("\0\0\0\0ab", 6)), "", "a table of 0 bytes");
  says(base64(std::string("\x08\0\0\0abcd", 8)), "", "a table of 8 bytes of its 8");
  says(base64(std::string("\x03\0\0\0abcd", 8)), "", "a table of 3 bytes");
  says(table(units_of_x(0), "\xff"), "", "not UTF-8");
  std::vector<std::uint32_t> units = units_of_x(0);
  units.resize(121);
  says(table(units, "y"), "x", "leads out of its table");
  units = units_of_x(0);
  units[121] |= 1U << 20U;
  says(table(units, "y"), "x", "leads out of its table");
  says(table(units_of_x(3), "y"), "x", "leads to no replacement");
  says(table(units_of_x(1), "\u00e9"), "x", "leads to no replacement");
  EXPECT_EQ(mapped(table(units_of_x(2), "\u00e9"), "x"), "");
}

TEST(CharactersMapByHand, WhatGrowsWithoutEndIsRefused) {
  const std::string made = table(units_of_x(0), std::string(10000, 'y'));
  EXPECT_THAT([&] { mapped(made, "xxx"); },
              ThrowsMessage<Error>(HasSubstr("the normalizer of the tokenizer makes more")));
}

}  // namespace
}  // namespace gyre::unigram_test
