#include "serve/reply_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/api_error.hpp"

namespace gyre::serve::reply_reader_test {
namespace {

const ToolForm kTagged;
const ToolForm kBare{.open = "", .close = "", .arguments = "parameters"};

/// What is told of a text that comes in pieces of `step` bytes: "text", "f(arguments)", with an open end where a call
/// did not end.
std::string told(const ToolForm& form, const std::string& text, std::size_t step) {
  ReplyReader reader(form, {{"add", nullptr}, {"now", nullptr}});
  std::string all;
  const auto show = [&](const std::vector<ReplyPart>& parts) {
    for (const ReplyPart& part : parts) {
      if (part.kind == ReplyPart::Kind::call) all += fmt::format("|{}(", part.text);
      if (part.kind == ReplyPart::Kind::call_end) all += ")|";
      if (part.kind == ReplyPart::Kind::text || part.kind == ReplyPart::Kind::arguments) all += part.text;
    }
  };
  for (std::size_t at = 0; at < text.size(); at += step) show(reader.read(std::string_view(text).substr(at, step)));
  show(reader.finish());
  return all;
}

/// The same however it comes.
std::string told(const ToolForm& form, const std::string& text) {
  std::string whole = told(form, text, text.size());
  for (const std::size_t step : {1, 2, 3, 7}) EXPECT_EQ(told(form, text, step), whole) << step;
  return whole;
}

const std::string kCall = "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": [1, 2]}}\n</tool_call>";

TEST(ReplyReader, TellsCallsFromText) {
  EXPECT_EQ(told(kTagged, kCall), "|add({\"a\": [1, 2]})|");
  EXPECT_EQ(told(kTagged, "Let me see.\n\n" + kCall), "Let me see.|add({\"a\": [1, 2]})|");
  EXPECT_EQ(told(kTagged, kCall + "\n" + kCall + "\n"), "|add({\"a\": [1, 2]})||add({\"a\": [1, 2]})|");
  EXPECT_EQ(told(kTagged, kCall + "\n then  this"), "|add({\"a\": [1, 2]})|then  this");
  EXPECT_EQ(told(kTagged, "<tool_call>{ \"name\" :\"now\",\"arguments\":{}}</tool_call>"), "|now({})|");
}

TEST(ReplyReader, TextWithoutCallsIsAsItCame) {
  for (const char* text :
       {"", " ", "a < b <tool", "<tool_cal l>\n", "  a\n\n", "{\"name\": \"add\"}", "<<<tool_call "}) {
    EXPECT_EQ(told(kTagged, text), text);
    if (text[0] != '{') {
      EXPECT_EQ(told(kBare, text), text);
    }
  }
}

TEST(ReplyReader, BracesAndTagsInTextsOfArgumentsEndNothing) {
  const std::string arguments = R"({"a": "} \" ] </tool_call> {", "b": {"c": "\\"}})";
  EXPECT_EQ(told(kTagged, "<tool_call>\n{\"name\": \"add\", \"arguments\": " + arguments + "}\n</tool_call>ok"),
            "|add(" + arguments + ")|ok");
}

TEST(ReplyReader, WhatIsNoCallOfAFunctionThatIsThereStaysText) {
  const std::string other = "<tool_call>\n{\"name\": \"sub\", \"arguments\": {}}\n</tool_call>";
  EXPECT_EQ(told(kTagged, "so: " + other + " and"), "so: " + other + " and");
  EXPECT_EQ(told(kTagged, other + kCall), other + "|add({\"a\": [1, 2]})|");
  const std::string broken = "<tool_call>\n{\"name\": \"add\", nothing\n</tool_call>";
  EXPECT_EQ(told(kTagged, broken), broken);
}

TEST(ReplyReader, OtherOrdersAndListsAreReadWhenTheyAreAllThere) {
  EXPECT_EQ(told(kTagged, "<tool_call>{\"arguments\": {\"a\": 1}, \"name\": \"add\"}</tool_call>"), "|add({\"a\":1})|");
  EXPECT_EQ(told(kTagged, "<tool_call>{\"name\": \"now\"}</tool_call>"), "|now({})|");
  EXPECT_EQ(told(kTagged,
                 "<tool_call>[{\"name\": \"now\", \"arguments\": {}}, {\"name\": \"add\", \"arguments\": "
                 "\"{\\\"a\\\": 1}\"}]</tool_call>"),
            "|now({})||add({\"a\": 1})|");
}

TEST(ReplyReader, CallsOfAListAreToldWhenItHasEnded) {
  const ToolForm open{.open = "[TOOL_CALLS]", .close = "", .list = true, .gap = " ", .ids = true};
  const std::string list =
      R"([{"name": "add", "arguments": {"a": 1}, "id": "abcdef012"}, {"name": "now", "arguments": {}}])";
  EXPECT_EQ(told(open, "[TOOL_CALLS] " + list), "|add({\"a\":1})||now({})|");
  EXPECT_EQ(told(open, "Well.\n[TOOL_CALLS]" + list), "Well.|add({\"a\":1})||now({})|");
  EXPECT_EQ(told(open, "[TOOL_CALLS] {\"name\": \"now\", \"arguments\": {}}"), "|now({})|");
  EXPECT_EQ(told(open, "[TOOL_CALLS] [{\"name\": \"sub\"}]"), "[TOOL_CALLS] [{\"name\": \"sub\"}]");
  EXPECT_EQ(told(open, "[TOOL_CALLS] [{\"name\": \"add\""), "[TOOL_CALLS] [{\"name\": \"add\"");
  EXPECT_EQ(told(open, "no [TOOL calls"), "no [TOOL calls");
  const ToolForm closed{.open = "<TOOLCALL>", .close = "</TOOLCALL>", .list = true};
  EXPECT_EQ(told(closed, "<TOOLCALL>" + list + "</TOOLCALL> so"), "|add({\"a\":1})||now({})|so");
}

TEST(ReplyReader, ATextThatEndsInACallLeavesItOpen) {
  EXPECT_EQ(told(kTagged, "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1"), "|add({\"a\": 1");
  EXPECT_EQ(told(kTagged, "a <tool_call>\n{\"name\": \"ad"), "a <tool_call>\n{\"name\": \"ad");
}

TEST(ReplyReader, ABareCallIsTheWholeText) {
  EXPECT_EQ(told(kBare, "{\"name\": \"add\", \"parameters\": {\"a\": 1}}"), "|add({\"a\": 1})|");
  EXPECT_EQ(told(kBare, "\n{\"name\": \"add\", \"parameters\": {\"a\": 1}} and so on"), "|add({\"a\": 1})|");
  EXPECT_EQ(told(kBare, "{\"parameters\": {}, \"name\": \"now\"}"), "|now({})|");
  EXPECT_EQ(told(kBare, "{\"a\": 1}"), "{\"a\": 1}");
  EXPECT_EQ(told(kBare, "I say {\"name\": \"add\", \"parameters\": {}}"),
            "I say {\"name\": \"add\", \"parameters\": {}}");
}

}  // namespace
}  // namespace gyre::serve::reply_reader_test
