#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "text/tokenizer.hpp"

namespace gyre::hostile_tokenizer_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Json = nlohmann::json;

/// A tokenizer.json that knows a, b and c, and has `stage` as its part `key`.
std::string file_with(const std::string& key, const Json& stage) {
  const Json model = {{"type", "BPE"}, {"vocab", {{"a", 0}, {"b", 1}, {"c", 2}}}, {"merges", Json::array()}};
  Json file = {{"model", model}, {"decoder", {{"type", "Fuse"}}}};
  file[key] = stage;
  return file.dump();
}

Json sequence(const std::string& key, const Json& step, std::size_t count) {
  return {{"type", "Sequence"}, {key, Json(count, step)}};
}

/// Makes every a eight.
const Json kEight = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aaaaaaaa"}};
const Json kEightByPattern = {{"type", "Replace"}, {"pattern", {{"Regex", "a"}}}, {"content", "aaaaaaaa"}};

TEST(HostileTokenizer, AStageThatNestsTooDeepIsRefused) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  std::string file = file_with("normalizer", "deep");
  file.replace(file.find(R"("deep")"), 6, deep);
  EXPECT_THAT([&] { Tokenizer::parse(file, "file.json"); }, ThrowsMessage<Error>(HasSubstr("nested")));
}

TEST(HostileTokenizer, ANormalizerThatGrowsATextWithoutEndGivesUp) {
  for (const Json& step : {kEight, kEightByPattern}) {
    const Tokenizer once = Tokenizer::parse(file_with("normalizer", sequence("normalizers", step, 1)), "x");
    EXPECT_EQ(once.encode("ab").size(), 9U);
    const Tokenizer often = Tokenizer::parse(file_with("normalizer", sequence("normalizers", step, 16)), "x");
    EXPECT_THAT([&] { static_cast<void>(often.encode("a")); }, ThrowsMessage<Error>(HasSubstr("normalizer")));
  }
}

TEST(HostileTokenizer, ADecoderThatGrowsATokenWithoutEndGivesUp) {
  for (const Json& step : {kEight, kEightByPattern}) {
    const Tokenizer once = Tokenizer::parse(file_with("decoder", sequence("decoders", step, 1)), "x");
    EXPECT_EQ(once.piece(0), "aaaaaaaa");
    EXPECT_THAT([&] { Tokenizer::parse(file_with("decoder", sequence("decoders", step, 16)), "x"); },
                ThrowsMessage<Error>(HasSubstr("decoder")));
  }
  Json late = sequence("decoders", kEight, 16);
  late["decoders"].insert(late["decoders"].begin(), {Json{{"type", "ByteFallback"}}, Json{{"type", "Fuse"}}});
  const Tokenizer tokenizer = Tokenizer::parse(file_with("decoder", late), "x");
  const std::vector<std::int32_t> tokens = {0};
  EXPECT_THAT([&] { static_cast<void>(tokenizer.decode(tokens)); }, ThrowsMessage<Error>(HasSubstr("decoder")));
}

TEST(HostileTokenizer, MarksThatMultiplyWordsWithoutEndGiveUp) {
  Json steps = Json::array();
  for (int i = 0; i < 80; ++i) {
    steps.push_back({{"type", "Metaspace"}, {"replacement", i % 2 == 0 ? "a" : "b"}, {"prepend_scheme", "always"}});
  }
  const Tokenizer tokenizer =
      Tokenizer::parse(file_with("pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", steps}}), "x");
  EXPECT_THAT([&] { static_cast<void>(tokenizer.encode("c")); }, ThrowsMessage<Error>(HasSubstr("pre-tokenizer")));
}

TEST(HostileTokenizer, APatternThatTriesEverythingGivesUp) {
  std::string groups;
  for (int i = 0; i < 3000; ++i) groups += "()";
  const Json split = {
      {"type", "Split"}, {"pattern", {{"Regex", groups + "(?:a|aa)+bc"}}}, {"behavior", "Removed"}, {"invert", false}};
  const Tokenizer tokenizer = Tokenizer::parse(file_with("pre_tokenizer", split), "x");
  EXPECT_THAT([&] { static_cast<void>(tokenizer.encode(std::string(2000, 'a') + "b bc")); },
              ThrowsMessage<Error>(HasSubstr("retry-limit-in-match over")));
}

}  // namespace
}  // namespace gyre::hostile_tokenizer_test
