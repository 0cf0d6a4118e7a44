#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <regex>

#include "base/error.hpp"
#include "base/random.hpp"
#include "engine/token_mask.hpp"
#include "serve/json_language.hpp"
#include "serve/served.hpp"
#include "text/regular_expression.hpp"
#include "text/utf8.hpp"

namespace gyre::serve::format_test {
namespace {

using testing::HasSubstr;

ByteAutomaton language_of(const std::string& expression) {
  AutomatonBuilder builder;
  return builder.build(add_regular_expression(builder, expression, "expression"));
}

bool holds(ByteAutomaton& language, std::string_view text) {
  const int state = language.after(language.start(), text);
  return state != ByteAutomaton::kNone && language.whole(state);
}
bool holds(ByteAutomaton&& language, std::string_view text) { return holds(language, text); }

TEST(RegularExpression, MatchesWholeTexts) {
  ByteAutomaton date = language_of("^[0-9]{4}-(0[1-9]|1[0-2])$");
  EXPECT_TRUE(holds(date, "2024-12"));
  for (const char* other : {"", "2024-13", "2024-1", "2024-120", "x2024-12"}) EXPECT_FALSE(holds(date, other)) << other;
  EXPECT_TRUE(holds(language_of("a|bc*|"), ""));
  EXPECT_TRUE(holds(language_of("a|bc*|"), "bccc"));
  EXPECT_FALSE(holds(language_of("a|bc*|"), "ab"));
  EXPECT_TRUE(holds(language_of("(?:ab?){2,3}"), "aab"));
  EXPECT_FALSE(holds(language_of("(?:ab?){2,3}"), "a"));
  EXPECT_FALSE(holds(language_of("(?:ab?){2,3}"), "aaaa"));
  EXPECT_TRUE(holds(language_of("(a{2}){2,}"), "aaaaaa"));
  EXPECT_FALSE(holds(language_of("(a{2}){2,}"), "aaaaa"));
  EXPECT_TRUE(holds(language_of("[^a-c]"), "\xc3\xa9"));
  EXPECT_FALSE(holds(language_of("[^a-c]"), "b"));
  EXPECT_FALSE(holds(language_of("."), "\xc3"));
  EXPECT_TRUE(holds(language_of(R"(\w+\s\d\.\x41\u00e9[\]\-x])"), "ab_ 7.A\xc3\xa9]"));
}

TEST(RegularExpression, CharactersAreThoseOfUtf8AndNoOthers) {
  ByteAutomaton any = language_of("[\\u0000-\xf4\x8f\xbf\xbf]");
  for (char32_t point = 0; point < 0x110000; point += point < 0x3000 ? 1 : 97) {
    if (point >= 0xD800 && point < 0xE000) continue;
    std::string text;
    append_utf8(text, point);
    ASSERT_TRUE(holds(any, text)) << static_cast<int>(point);
  }
  for (const char* other : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80", "\xe2\x82"}) {
    EXPECT_FALSE(holds(any, other));
  }
  ByteAutomaton some = language_of("[\\u0430-\\u044f]");
  EXPECT_TRUE(holds(some, "\xd0\xbf"));   // п
  EXPECT_TRUE(holds(some, "\xd1\x8f"));   // я
  EXPECT_FALSE(holds(some, "\xd1\x90"));  // ѐ
  EXPECT_FALSE(holds(some, "\xd0\xaf"));  // Я
}

/// Random expressions over few letters against std::regex.
TEST(RegularExpression, MeansWhatTheStandardOneMeans) {
  Random random(11);
  const std::function<std::string(int)> draw = [&](int depth) -> std::string {
    std::string text;
    for (std::uint64_t i = random.below(3) + 1; i > 0; --i) {
      std::string atom =
          depth > 0 && random.below(2) == 0 ? "(" + draw(depth - 1) + ")" : std::string(1, "abc"[random.below(3)]);
      if (random.below(5) == 0) atom = "[ab]";
      const std::string counts[] = {"", "", "*", "+", "?", "{2}", "{1,3}", "{2,}"};
      text += atom + counts[random.below(8)];
      if (random.below(6) == 0) text += "|";
    }
    if (text.back() == '|') text += "c";
    return text;
  };
  for (int round = 0; round < 200; ++round) {
    const std::string expression = draw(2);
    ByteAutomaton language = language_of(expression);
    const std::regex reference(expression);
    for (int i = 0; i < 30; ++i) {
      std::string text;
      for (std::uint64_t n = random.below(8); n > 0; --n) text += "abc"[random.below(3)];
      ASSERT_EQ(holds(language, text), std::regex_match(text, reference)) << expression << " on " << text;
    }
  }
}

TEST(RegularExpression, WhatIsNotSupportedIsRefused) {
  const auto message = [](const std::string& expression) -> std::string {
    try {
      language_of(expression);
    } catch (const Error& failure) {
      return failure.what();
    }
    return "taken";
  };
  for (const char* wrong : {"(a", "a)", "[a", "*a", "a{2", "a{3,2}", "a**", "(?=a)", "(?<n>a)", "\\b", "\\1", "\\p{L}",
                            "a^b", "a$b", "[b-a]", "a{1001}", "\\"}) {
    EXPECT_THAT(message(wrong), HasSubstr("expression: at byte ")) << wrong;
  }
  EXPECT_THAT(message("(a{1000}){1000}"), HasSubstr("too large"));
}

std::string schema_refusal(const Json& schema) {
  try {
    language_of_schema(schema, "schema");
  } catch (const ApiError& error) {
    return error.param();
  }
  return "taken";
}

TEST(JsonLanguage, HasWhatTheSchemaDescribesAndNothingElse) {
  ByteAutomaton person =
      language_of_schema(Json::parse(R"({"type": "object", "properties": {"name": {"type": "string", "maxLength": 5},
        "age": {"type": "integer"}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1, "maxItems": 2}},
        "required": ["name"], "additionalProperties": false})"),
                         "schema");
  for (const char* text :
       {R"({"name":"x"})", R"({"name": "x", "age": -12})", R"({ "name": "\u00e9\n", "tags": ["a", "b"]})",
        "{\n  \"name\": \"\",\n  \"age\": 0,\n  \"tags\": [\"b\"]\n}"}) {
    EXPECT_TRUE(holds(person, text)) << text;
    EXPECT_TRUE(Json::accept(text)) << text;
  }
  for (const char* text :
       {"{}", R"({"age": 1})", R"({"name":"x",})", R"({"name":"x" "age":1})", R"({"name":"toolong"})",
        R"({"name":"x","age":01})", R"({"name":"x","tags":[]})", R"({"name":"x","tags":["a","a","a"]})",
        R"({"name":"x","other":1})", R"({"age":1,"name":"x"})", R"({"name":"a"b"})", R"({"name":"\ud800"})"}) {
    EXPECT_FALSE(holds(person, text)) << text;
  }
}

TEST(JsonLanguage, OptionalPropertiesComeInAnyChoice) {
  ByteAutomaton language = language_of_schema(
      Json::parse(R"({"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}, "c": {"const": 3}}})"),
      "schema");
  for (const char* text :
       {"{}", "{\"a\":1}", "{\"b\":2}", "{\"c\":3}", "{\"a\":1,\"c\":3}", "{\"a\":1,\"b\":2,\"c\":3}"}) {
    EXPECT_TRUE(holds(language, text)) << text;
  }
  for (const char* text : {"{,\"a\":1}", "{\"a\":1\"b\":2}", "{\"b\":2,\"a\":1}", "{\"a\":1,}"})
    EXPECT_FALSE(holds(language, text)) << text;
}

TEST(JsonLanguage, AnyObjectIsJson) {
  ByteAutomaton any = language_of_objects();
  for (const char* text : {"{}", R"({"a": [1, 2.5e-3, {"b": null}], "c": {"d": [[], [true]]}})", R"({"":""})"})
    EXPECT_TRUE(holds(any, text)) << text;
  for (const char* text : {"", "[]", "{", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1}x", "{\"a\":[1,]}"})
    EXPECT_FALSE(holds(any, text)) << text;
}

TEST(JsonLanguage, ReferencesAndChoicesAreFollowed) {
  ByteAutomaton language = language_of_schema(
      Json::parse(
          R"({"$defs": {"n": {"type": ["integer", "null"]}}, "anyOf": [{"$ref": "#/$defs/n"}, {"type": "string", "pattern": "^[a-z]{2}$"}]})"),
      "schema");
  for (const char* text : {"12", "null", "\"ab\""}) EXPECT_TRUE(holds(language, text)) << text;
  for (const char* text : {"1.5", "\"abc\"", "true"}) EXPECT_FALSE(holds(language, text)) << text;
}

TEST(JsonLanguage, WhatItCannotHoldAModelToIsRefused) {
  EXPECT_EQ(schema_refusal({{"type", "integer"}, {"minimum", 3}}), "schema.minimum");
  EXPECT_EQ(schema_refusal({{"type", "string"}, {"format", "date"}}), "schema.format");
  EXPECT_EQ(schema_refusal({{"type", "string"}, {"pattern", "a"}}), "schema.pattern");
  EXPECT_EQ(schema_refusal({{"type", "string"}, {"pattern", "^.*$"}}), "schema.pattern");
  EXPECT_EQ(schema_refusal({{"type", "string"}, {"pattern", "^[!-~]$"}}), "schema.pattern");
  EXPECT_EQ(schema_refusal({{"oneOf", Json::array({{{"type", "null"}}})}}), "schema.oneOf");
  EXPECT_EQ(schema_refusal({{"type", "float"}}), "schema.type");
  EXPECT_EQ(schema_refusal({{"$ref", "#/nowhere"}}), "schema");
  EXPECT_EQ(schema_refusal(Json::parse(
                R"({"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}})")),
            "schema");
  EXPECT_EQ(schema_refusal({{"type", "object"}, {"properties", {{"a", {{"type", "number"}, {"multipleOf", 2}}}}}}),
            "schema.properties.a.multipleOf");
}

TEST(TokenMask, AllowsWhatCanGoOnAndEndsWhereTheTextIsWhole) {
  const Tokenizer tokenizer = Tokenizer::train_bpe("abab abab ab ab", 260);
  const TokenBytes bytes(tokenizer, tokenizer.size());
  const std::int32_t end = tokenizer.encode("z").front();
  TokenMask mask(language_of("(ab)+"), {end});
  const auto allowed = [&](int state) {
    std::vector<std::string> pieces;
    const std::span<const std::uint8_t> may = mask.allowed(state, bytes);
    for (std::int32_t token = 0; token < tokenizer.size(); ++token) {
      if (may[static_cast<std::size_t>(token)] != 0) pieces.push_back(tokenizer.piece(token));
    }
    return pieces;
  };
  EXPECT_THAT(allowed(mask.start()), testing::Contains("ab"));
  EXPECT_THAT(allowed(mask.start()), testing::Not(testing::Contains("b")));
  EXPECT_THAT(allowed(mask.start()), testing::Not(testing::Contains("z")));
  const auto after = [&](int state, const char* text) {
    return mask.after(state, tokenizer.encode(text).at(0), bytes);
  };
  const int behind = after(mask.start(), "ab");
  EXPECT_THAT(allowed(behind), testing::Contains("z"));
  EXPECT_FALSE(mask.complete(behind));
  EXPECT_EQ(allowed(after(behind, "a")), std::vector<std::string>{"b"});
}

TEST(TokenMask, WhereNoTokenCanGoOnItFails) {
  const Tokenizer tokenizer = Tokenizer::characters("abc");
  const TokenBytes bytes(tokenizer, tokenizer.size());
  TokenMask mask(language_of("az"), {});
  EXPECT_THROW(mask.allowed(mask.after(mask.start(), 0, bytes), bytes), Error);
}

const std::string kSums = std::string("sums=") + GYRE_TEST_DIR + "/../models/arithmetic";

class Formats : public testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = std::make_unique<Served>(std::vector<std::string>{"-m", kSums}); }
  static void TearDownTestSuite() { server_.reset(); }
  static Answer ask(const char* field, const Json& format) {
    return server_->post("/v1/completions",
                         {{"prompt", "3+4="}, {"max_tokens", 20}, {"seed", 5}, {"temperature", 2}, {field, format}});
  }
  static std::unique_ptr<Served> server_;
};
std::unique_ptr<Served> Formats::server_;

TEST_F(Formats, ATextIsOneOfThoseThatMayBe) {
  for (int i = 0; i < 4; ++i) {
    const Json choice = ask("guided_choice", {"4-4", "1*1", "0"}).json["choices"][0];
    EXPECT_THAT(choice["text"].get<std::string>(), testing::AnyOf("4-4", "1*1", "0"));
    EXPECT_EQ(choice["finish_reason"], "stop");
  }
  EXPECT_EQ(ask("guided_regex", "[01]{3}=4").json["choices"][0]["finish_reason"], "stop");
  EXPECT_THAT(ask("guided_regex", "[01]{3}=4").json["choices"][0]["text"].get<std::string>(),
              testing::MatchesRegex("[01][01][01]=4"));
  EXPECT_THAT(ask("structured_outputs", {{"regex", "[23]+"}}).json["choices"][0]["text"].get<std::string>(),
              testing::MatchesRegex("[23]+"));
  EXPECT_THAT(ask("response_format",
                  {{"type", "json_schema"}, {"json_schema", {{"name", "n"}, {"schema", {{"type", "integer"}}}}}})
                  .json["choices"][0]["text"]
                  .get<std::string>(),
              testing::MatchesRegex("-?(0|[1-4][0-4]*)"));
}

TEST_F(Formats, WhatTheVocabularyCannotSpellIsAnErrorAndNoFreeText) {
  EXPECT_EQ(ask("response_format", {{"type", "json_object"}}).status, 400);
  const Answer answer = ask("guided_choice", {"yes", "no"});
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.json["error"]["type"], "invalid_request_error");
  EXPECT_THAT(answer.json["error"]["message"].get<std::string>(), HasSubstr("no token of this vocabulary"));
}

TEST_F(Formats, WhatIsNoFormatIsRefused) {
  const auto refusal = [](const char* field, const Json& format) {
    const Answer answer = ask(field, format);
    EXPECT_EQ(answer.status, 400) << answer.json;
    return answer.json["error"]["param"].get<std::string>();
  };
  EXPECT_EQ(refusal("response_format", {{"type", "xml"}}), "response_format.type");
  EXPECT_EQ(refusal("response_format", {{"type", "json_schema"}}), "response_format.json_schema");
  EXPECT_EQ(refusal("guided_choice", Json::array()), "guided_choice");
  EXPECT_EQ(refusal("guided_choice", {"a", ""}), "guided_choice[1]");
  EXPECT_EQ(refusal("guided_regex", "(a"), "guided_regex");
  EXPECT_EQ(refusal("guided_json", {{"type", "integer"}, {"minimum", 1}}), "guided_json.minimum");
  EXPECT_EQ(refusal("guided_json", "{\"type\""), "guided_json");
  EXPECT_EQ(refusal("json_schema", ""), "json_schema");
  EXPECT_EQ(refusal("structured_outputs", {{"regex", "a"}, {"choice", {"a"}}}), "structured_outputs.regex");
  EXPECT_EQ(refusal("structured_outputs", {{"grammar", "a"}}), "structured_outputs.grammar");
}

}  // namespace
}  // namespace gyre::serve::format_test
