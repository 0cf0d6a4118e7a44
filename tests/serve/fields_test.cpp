#include "serve/fields.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gyre::serve::fields_test {
namespace {

using testing::HasSubstr;

/// The field that an error is about, with its message.
template <typename Work>
std::string refusal(const Work& work) {
  try {
    work();
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status(), 400);
    return error.param() + " | " + error.what();
  }
  return "taken";
}

TEST(Fields, ANumberIsTakenWithinItsRangeAlone) {
  const Json json = {{"a", 3},      {"b", 2.5}, {"c", -1}, {"d", 5.0}, {"e", "5"}, {"f", 18446744073709551615U},
                     {"g", nullptr}};
  Fields fields(json, "");
  EXPECT_EQ(fields.integer("a", 1, 3), 3);
  EXPECT_EQ(fields.integer("d", 1, 9), 5);
  EXPECT_EQ(fields.integer("g", 1, 9), std::nullopt);
  EXPECT_EQ(fields.integer("absent", 1, 9), std::nullopt);
  EXPECT_EQ(fields.number("b", 0, 2.5), 2.5);
  EXPECT_EQ(refusal([&] { fields.integer("a", 4, 9); }), "a | a: 3 is no whole number from 4 to 9");
  EXPECT_EQ(refusal([&] { fields.integer("b", 0, 9); }), "b | b: 2.5 is no whole number from 0 to 9");
  EXPECT_EQ(refusal([&] { fields.number("c", 0, 2); }), "c | c: -1 is not from 0 to 2");
  EXPECT_EQ(refusal([&] { fields.integer("e", 0, 9); }), "e | e: expected a whole number from 0 to 9, found a text");
  EXPECT_EQ(refusal([&] { fields.integer("f", 0, 9); }), "f | f: 18446744073709551615 is no whole number from 0 to 9");
}

TEST(Fields, WhatNobodyAskedForIsRefusedByItsWholeName) {
  const Json json = {{"gyre", {{"loops", 2}, {"depth", 3}}}};
  Fields fields(json, "");
  std::optional<Fields> inner = fields.object("gyre");
  ASSERT_TRUE(inner);
  EXPECT_EQ(inner->integer("loops", 1, 9), 2);
  EXPECT_EQ(refusal([&] { inner->done(); }), "gyre.depth | gyre.depth: there is no such field; leave it out");
  fields.done();
}

TEST(Fields, NullAndWhatIsIgnoredAreNoMistake) {
  const Json json = {{"user", "me"}, {"whatever", nullptr}};
  Fields fields(json, "");
  fields.ignore({"user"});
  fields.done();
}

TEST(Fields, WhatIsNotOfferedMayHaveItsHarmlessValue) {
  const Json json = {{"penalty", 0}, {"other", 0.5}};
  Fields fields(json, "");
  fields.only("penalty", {0, 0.0});
  fields.only("absent", {0});
  EXPECT_EQ(refusal([&] { fields.only("other", {0, 0.0}); }), "other | other: 0.5 is not offered here; leave it out");
}

TEST(Body, IsAnObjectOfBoundedDepthAndWidth) {
  EXPECT_EQ(parse_body(R"({"b": 1, "a": [2]})").dump(), R"({"b":1,"a":[2]})");
  EXPECT_THAT(refusal([] { parse_body(""); }), HasSubstr("the body is empty"));
  EXPECT_THAT(refusal([] { parse_body("[1]"); }), HasSubstr("the body is array"));
  EXPECT_THAT(refusal([] { parse_body("{\"a\": "); }), HasSubstr("not valid JSON near byte 7"));
  EXPECT_THAT(refusal([] { parse_body("{\"a\": \"\xff\"}"); }), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal([] { parse_body("{\"a\":" + std::string(70, '[') + std::string(70, ']') + "}"); }),
              HasSubstr("deeper than 64"));
  Json wide = Json::object();
  for (int i = 0; i < 513; ++i) wide[std::to_string(i)] = i;
  EXPECT_THAT(refusal([&] { parse_body(Json{{"a", wide}}.dump()); }), HasSubstr("513 keys; 512 are the most"));
}

TEST(ApiErrors, HaveOpenAisForm) {
  const ApiError error(400, "invalid_request_error", "n: 9 is too many", {.param = "n", .code = "too_many"});
  EXPECT_EQ(error.to_json().dump(),
            R"({"error":{"message":"n: 9 is too many","type":"invalid_request_error","param":"n","code":"too_many"}})");
  EXPECT_EQ(ApiError(503, "server_error", "no").to_json().dump(),
            R"({"error":{"message":"no","type":"server_error","param":null,"code":null}})");
}

}  // namespace
}  // namespace gyre::serve::fields_test
