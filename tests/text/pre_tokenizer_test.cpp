#include "text/pre_tokenizer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "text/byte_level.hpp"

namespace gyre::pre_tokenizer_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Json = nlohmann::json;
using Pieces = std::vector<std::string>;

Pieces pieces_of(const Json& stage, std::string_view text) {
  const PreTokenizer made = PreTokenizer::read(stage, "stage");
  const Words cut = made.cut(text, true);
  Pieces pieces;
  for (const std::string_view word : cut.words) {
    pieces.push_back(made.byte_level() ? to_byte_level(word) : std::string(word));
  }
  return pieces;
}

Json split(const std::string& regex, const std::string& behavior = "Isolated") {
  return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", behavior}, {"invert", false}};
}

Json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Json sequence(std::vector<Json> steps) { return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}}; }

TEST(PreTokenizer, CutsAsThePythonPackage) {
  const Json golden = load_json(std::filesystem::path(GYRE_TEST_DIR) / "text" / "golden" / "pre_tokenizers.json");
  ASSERT_GT(golden["cases"].size(), 60U);
  for (const Json& entry : golden["cases"]) {
    for (std::size_t i = 0; i < golden["texts"].size(); ++i) {
      const auto text = golden["texts"][i].get<std::string>();
      EXPECT_EQ(pieces_of(entry["pre_tokenizer"], text), entry["pieces"][i].get<Pieces>())
          << entry["pre_tokenizer"].dump() << "\n"
          << text;
    }
  }
}

TEST(PreTokenizer, WhitespaceKeepsMarksJoinersAndEnclosedLettersInTheirWord) {
  const Json whitespace = {{"type", "Whitespace"}};
  EXPECT_EQ(pieces_of(whitespace, "नमस्ते, e\u0301t\u0323!"), (Pieces{"नमस्ते", ",", "e\u0301t\u0323", "!"}));
  EXPECT_EQ(pieces_of(whitespace, "a\u200db \u24B6x _\u2162 \u00b2"),
            (Pieces{"a\u200db", "\u24B6x", "_\u2162", "\u00b2"}));
  EXPECT_EQ(pieces_of(whitespace, " \u3000 "), Pieces{});
}

TEST(PreTokenizer, StepsBehindByteLevelSeeTheSpelledText) {
  // In the alphabet a space is U+0120, a letter.
  EXPECT_EQ(pieces_of(sequence({byte_level(true), split(R"(\s)")}), "a b"), (Pieces{"a", "\u0120b"}));
  EXPECT_EQ(pieces_of(sequence({byte_level(true), split("\u0120")}), "a b"), (Pieces{"a", "\u0120", "b"}));
  EXPECT_EQ(pieces_of(sequence({byte_level(true), split("\u0120", "Removed")}), "a b"), (Pieces{"a", "b"}));
  // The two bytes of an accented letter are characters of their own.
  EXPECT_EQ(pieces_of(sequence({byte_level(false), split("\u00c3")}), "\u00e9"), (Pieces{"\u00c3", "\u00a9"}));
}

TEST(PreTokenizer, AMarkThatNoByteIsSpelledWithIsRefusedBehindByteLevel) {
  const Json metaspace = {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "always"}};
  EXPECT_THAT(
      [&] {
        PreTokenizer::read(sequence({byte_level(true), metaspace}), "stage");
      },
      ThrowsMessage<Error>(HasSubstr("stage.pretokenizers[1]: Metaspace behind ByteLevel")));
}

}  // namespace
}  // namespace gyre::pre_tokenizer_test
