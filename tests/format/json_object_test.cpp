#include "format/json_object.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "scratch_folder.hpp"

namespace gyre::json_object_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

enum class Color { red, green };
constexpr EnumName<Color> kColors[] = {{Color::red, "red"}, {Color::green, "green"}};

template <typename Read>
void expect_mistake(const std::string& json, const Read& read, const std::string& key, const std::string& says) {
  const nlohmann::json parsed = nlohmann::json::parse(json);
  EXPECT_THAT([&] { read(JsonObject(parsed, "file.json")); },
              ThrowsMessage<Error>(AllOf(HasSubstr("file.json"), HasSubstr(key), HasSubstr(says))))
      << json;
}

TEST(JsonObject, ReadsValuesAndDefaults) {
  const nlohmann::json json =
      nlohmann::json::parse(R"({"t": "x", "i": 3, "n": 2.5, "b": true, "a": [1], "c": "green"})");
  const JsonObject object(json, "file.json");
  EXPECT_EQ(object.text("t"), "x");
  EXPECT_EQ(object.integer("i", 1, 3), 3);
  EXPECT_EQ(object.number("n", 0, 3), 2.5F);
  EXPECT_EQ(object.number("i", 0, 3), 3.0F);
  EXPECT_TRUE(object.boolean("b"));
  EXPECT_EQ(object.array("a").size(), 1U);
  EXPECT_EQ(object.choice<Color>("c", kColors), Color::green);
  EXPECT_EQ(object.text("none", "d"), "d");
  EXPECT_EQ(object.integer("none", 5, 6, 1), 1);
  EXPECT_EQ(object.choice<Color>("none", kColors, Color::red), Color::red);
}

TEST(JsonObject, MistakesNameFileKeyAndWhatWouldBeRight) {
  const auto text = [](const JsonObject& o) { static_cast<void>(o.text("k")); };
  const auto integer = [](const JsonObject& o) { static_cast<void>(o.integer("k", 1, 9)); };
  const auto number = [](const JsonObject& o) { static_cast<void>(o.number("k", 0, 1)); };
  const auto boolean = [](const JsonObject& o) { static_cast<void>(o.boolean("k")); };
  const auto array = [](const JsonObject& o) { static_cast<void>(o.array("k")); };
  const auto choice = [](const JsonObject& o) { static_cast<void>(o.choice<Color>("k", kColors)); };
  expect_mistake("{}", text, "\"k\"", "missing");
  expect_mistake(R"({"k": 1})", text, "k", "must be text");
  expect_mistake(R"({"k": 1.5})", integer, "k", "whole number");
  expect_mistake(R"({"k": 10})", integer, "k", "between 1 and 9");
  expect_mistake(R"({"k": 18446744073709551615})", integer, "k", "between 1 and 9");
  expect_mistake(R"({"k": -9223372036854775808})", integer, "k", "between 1 and 9");
  expect_mistake(R"({"k": "1"})", number, "k", "must be a number");
  expect_mistake(R"({"k": 1.01})", number, "k", "between 0 and 1");
  expect_mistake(R"({"k": 1})", boolean, "k", "true or false");
  expect_mistake(R"({"k": {}})", array, "k", "must be a list");
  expect_mistake(R"({"k": "blue"})", choice, "k", "red, green");
  expect_mistake(R"({"k": null})", choice, "k", "must be text");
  expect_mistake(R"({"x": 1})", [](const JsonObject& o) { o.allow({"k", "l"}); }, "\"x\"", "k, l");
  expect_mistake(
      "[1]", [](const JsonObject&) {}, "", "expected a JSON object, found array");
}

TEST(LoadJson, NamesTheFileAndThePlace) {
  const ScratchFolder scratch;
  const std::filesystem::path file = scratch / "a.json";
  write_text_atomically(file, R"({"a": 1,})");
  EXPECT_THAT([&] { load_json(file); }, ThrowsMessage<Error>(AllOf(HasSubstr(file.string()), HasSubstr("byte 9"))));
  write_text_atomically(file, "");
  EXPECT_THAT([&] { load_json(file); }, ThrowsMessage<Error>(HasSubstr(file.string())));
  write_text_atomically(file, "{\"a\": \"\xff\"}");
  EXPECT_THAT([&] { load_json(file); }, ThrowsMessage<Error>(HasSubstr(file.string())));
  EXPECT_THAT([&] { load_json(scratch / "none"); }, ThrowsMessage<Error>(HasSubstr((scratch / "none").string())));
}

TEST(ParseJson, WhatNestsDeeperThanAnybodyWritesIsRefused) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(parse_json(nested(64), "file.json").size(), 1U);
  EXPECT_EQ(parse_json(R"(["[[\"[[", [], {}, [], {}])", "file.json").size(), 5U);
  // Going through it would need more stack than there is.
  for (const std::string& text : {nested(65), nested(1 << 20), std::string(1 << 20, '[')}) {
    EXPECT_THAT([&] { parse_json(text, "file.json"); },
                ThrowsMessage<Error>(AllOf(HasSubstr("file.json"), HasSubstr("nested"))));
  }
}

TEST(LoadSettings, AKeyThatIsThereTwiceIsRefusedByItsWay) {
  const ScratchFolder scratch;
  const std::filesystem::path file = scratch / "a.json";
  write_text_atomically(file, R"({"a": {"b": 1, "c": 2}, "b": 1})");
  EXPECT_EQ(load_settings(file)["a"]["c"], 2);
  write_text_atomically(file, R"({"a": {"b": 1, "c": 2, "b": 3}})");
  EXPECT_THAT([&] { load_settings(file); },
              ThrowsMessage<Error>(AllOf(HasSubstr(file.string()), HasSubstr("a.b is there twice"))));
}

TEST(JsonObject, ShowsAWholeNumberThatIsTooLargeAsItStands) {
  const nlohmann::json json = {{"a", 18446744073709551615U}};
  EXPECT_THAT([&] { (void)JsonObject(json, "x").integer("a", 0, 3); },
              ThrowsMessage<Error>(HasSubstr("a is 18446744073709551615;")));
}

TEST(LoadJson, ANumberBeyondTheRangeOfADoubleIsAMistakeInTheFile) {
  const ScratchFolder scratch;
  const std::filesystem::path file = scratch / "a.json";
  write_text_atomically(file, R"({"a": 1e999})");
  EXPECT_THAT([&] { load_json(file); }, ThrowsMessage<Error>(HasSubstr(file.string())));
}

}  // namespace
}  // namespace gyre::json_object_test
