#include "serve/named_form.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/named_calls.hpp"
#include "serve/named_reading.hpp"
#include "serve/parameter_value.hpp"
#include "serve/tool_form.hpp"

namespace gyre::serve::named_form_test {
namespace {

ChatTemplate chat_of(const std::string& source) { return {source, "", "", "t"}; }

CallStyle style_of(const std::string& title) {
  for (const CallStyle& style : call_styles()) {
    if (style.title == title) return style;
  }
  throw std::out_of_range(title);
}

ToolForm form_of(const CallStyle& style) { return tool_form_of(chat_of(style.source())).value(); }

/// One after the other, with what is between two of them in the history.
using Calls = std::vector<std::pair<std::string, Json>>;

const Functions kFunctions = {
    {"add", Json::parse(R"({"type": "object", "properties": {"a": {"type": "integer"}, "text": {"type": "string"},
      "list": {"type": "array"}, "flag": {"type": "boolean"}, "none": {"type": "null"}, "deep": {"type": "object"}}})")},
    {"add_two", nullptr}};

/// What a template writes for an answer of a text and calls.
std::string written(const CallStyle& style, const std::string& text, const Calls& calls) {
  Conversation conversation;
  conversation.add_generation_prompt = false;
  Json list = Json::array();
  for (const auto& [name, arguments] : calls) {
    list.push_back({{"id", "call_a_long_id"}, {"function", {{"name", name}, {"arguments", arguments}}}});
  }
  conversation.messages = Json::array({Json{{"role", "assistant"}, {"content", text}, {"tool_calls", list}}});
  write_tools(conversation, form_of(style));
  const std::string all = chat_of(style.source()).render(conversation);
  const std::string head = "assistant: ";
  return all.substr(head.size(), all.size() - head.size() - 3);  // without [E]
}

/// "text", then "|name(arguments)|" for each call that ended.
std::string told(const std::vector<ReplyPart>& parts) {
  std::string all;
  for (const ReplyPart& part : parts) {
    if (part.kind == ReplyPart::Kind::call) all += "|" + part.text + "(";
    if (part.kind == ReplyPart::Kind::call_end) all += ")|";
    if (part.kind == ReplyPart::Kind::text || part.kind == ReplyPart::Kind::arguments) all += part.text;
  }
  return all;
}

std::vector<ReplyPart> read(const ToolForm& form, const std::vector<std::string_view>& pieces) {
  ReplyReader reader(form, kFunctions);
  std::vector<ReplyPart> parts;
  for (const std::string_view piece : pieces) {
    for (ReplyPart& part : reader.read(piece)) parts.push_back(std::move(part));
  }
  for (ReplyPart& part : reader.finish()) parts.push_back(std::move(part));
  return parts;
}

/// The same in one piece, cut at any byte, and byte by byte.
std::string told(const ToolForm& form, const std::string& text) {
  const std::string_view all = text;
  const std::string whole = told(read(form, {all}));
  std::vector<std::string_view> bytes;
  for (std::size_t at = 0; at < all.size(); ++at) {
    bytes.push_back(all.substr(at, 1));
    EXPECT_EQ(told(read(form, {all.substr(0, at), all.substr(at)})), whole) << at;
  }
  EXPECT_EQ(told(read(form, bytes)), whole);
  return whole;
}

std::string trimmed(const std::string& text) { return text.substr(text.find_first_not_of('\n')); }

std::string expected(const std::string& text, const Calls& calls) {
  std::string all = text;
  for (const auto& [name, arguments] : calls) all += "|" + name + "(" + arguments.dump() + ")|";
  return all;
}

/// The arguments of calls as values, whatever white space they were written with.
std::string by_value(const std::string& all) {
  std::string same;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t brace = all.find("({", at);
    if (brace == std::string::npos) return same + all.substr(at);
    const std::size_t end = all.find("})|", brace);
    same += all.substr(at, brace + 1 - at);
    same += Json::parse(all.substr(brace + 1, end - brace)).dump();
    at = end + 1;
  }
  return same;
}

TEST(NamedForm, WhatATemplateWritesIsReadAsWhatItIs) {
  const Json arguments = Json::parse(
      R"({"a": -12, "text": "\"q\" \\ } ] {\nline é 日本 <b> &amp; 'x'", "list": [1, "two", {"x": [null, "}"]}],
          "flag": true, "none": null, "deep": {"k": {"l": "m \" n"}}})");
  for (const CallStyle& style : call_styles()) {
    SCOPED_TRACE(style.title);
    const ToolForm form = form_of(style);
    ASSERT_TRUE(form.by_name());
    EXPECT_EQ(form.named.apart(), style.apart);
    for (const Calls& calls : {Calls{{"add", arguments}}, Calls{{"add", Json::object()}},
                               Calls{{"add_two", {{"any", "thing"}}}, {"add", {{"a", 1}, {"text", ""}}}},
                               Calls{{"add", {{"text", "7"}}}, {"add", arguments}, {"add_two", Json::object()}}}) {
      EXPECT_EQ(by_value(told(form, written(style, "", calls))), expected("", calls));
      EXPECT_EQ(by_value(told(form, written(style, "So < it [is", calls))), expected("So < it [is", calls));
      EXPECT_EQ(by_value(told(form, written(style, "", calls) + "\n and on")), expected("", calls) + "and on");
    }
  }
}

TEST(NamedForm, IsWhatStandsAroundNamesAndArguments) {
  const NamedForm deepseek = form_of(style_of("deepseek")).named;
  EXPECT_EQ(deepseek.begin, "<｜tool▁calls▁begin｜>");
  EXPECT_EQ(deepseek.open, "<｜tool▁call▁begin｜>function<｜tool▁sep｜>");
  EXPECT_EQ(deepseek.middle, "\n```json\n");
  EXPECT_EQ(deepseek.close, "\n```<｜tool▁call▁end｜>");
  EXPECT_EQ(deepseek.between, "\n");
  EXPECT_EQ(deepseek.end, "<｜tool▁calls▁end｜>");
  EXPECT_EQ(deepseek.trigger(), deepseek.begin);
  const ToolForm mistral = form_of(style_of("mistral ids"));
  EXPECT_EQ(mistral.open, "[TOOL_CALLS]");
  EXPECT_EQ(mistral.named.middle, "[CALL_ID]\x01[ARGS]");
  EXPECT_TRUE(mistral.ids);
  const ToolForm kimi = form_of(style_of("kimi"));
  EXPECT_TRUE(kimi.named.numbers);
  EXPECT_FALSE(kimi.ids);
  EXPECT_EQ(kimi.named.middle, ":\x01<|tool_call_argument_begin|>");
  const NamedForm qwen = form_of(style_of("qwen")).named;
  EXPECT_EQ(qwen.trigger(), "<tool_call>");
  EXPECT_EQ(qwen.open, "<tool_call>\n<function=");
  EXPECT_EQ(qwen.middle, ">\n");
  EXPECT_EQ(qwen.parameters.open + "K" + qwen.parameters.middle + "V" + qwen.parameters.close,
            "<parameter=K>\nV\n</parameter>");
  EXPECT_EQ(qwen.close, "</function>\n</tool_call>");
  EXPECT_EQ(form_of(style_of("glm close")).named.trigger(), "<tool_call>");
}

TEST(NamedForm, IsNoneThatWouldBeReadAsSomethingElse) {
  const auto refused = [](CallStyle style) { return !tool_form_of(chat_of(style.source())); };
  const std::string name = "{{ c.function.name }}";
  const std::string arguments = "{{ c.function.arguments | tojson }}";
  // No tag that speaks of tools: any text might begin so.
  EXPECT_TRUE(refused({"", "", "<b>" + name + "</b>" + arguments, "", ""}));
  EXPECT_TRUE(refused({"", "", "call " + name + " " + arguments, "\n", ""}));
  // The name stands there twice, keys in no order of their own, texts with escapes of their own.
  EXPECT_TRUE(refused({"", "", "<function=" + name + ">" + name + arguments + "</function>", "", ""}));
  EXPECT_TRUE(refused({"", "",
                       "<tool_call>" + name +
                           "{% for k, v in c.function.arguments.items() %}<{{ k }}>{{ v }}</{{ k }}>"
                           "{% endfor %}</tool_call>",
                       "", ""}));
  EXPECT_TRUE(refused({"", "",
                       apart_call("<tool_call>" + name, "<k>", "</k><v>",
                                  "{{ '!' if value is string and '<' in value }}</v>", "</tool_call>"),
                       "", ""}));
  // The answer's prompt begins the call already.
  const CallStyle begun = style_of("function tags");
  EXPECT_FALSE(refused(begun));
  EXPECT_FALSE(tool_form_of(chat_of(begun.source() + "{% if add_generation_prompt %}<function={% endif %}")));
  // Objects are written in another way, texts as they are.
  EXPECT_TRUE(refused({"", "",
                       "<tool_call>call:" + name +
                           "{ {%- if c.function.arguments is string %}{{ c.function.arguments }}{% else %}"
                           "{% for k, v in c.function.arguments.items() %}{{ k }}:{{ v }},{% endfor %}{% endif -%} }"
                           "<tool_call>",
                       "", ""}));
  // As text is right where an object would be written as Python does.
  const CallStyle text = {"", "", "<function=" + name + ">{{ c.function.arguments }}</function>", "", ""};
  EXPECT_TRUE(form_of(text).text_arguments);
}

TEST(NamedForm, WhatIsNoCallStaysText) {
  for (const CallStyle& style : call_styles()) {
    SCOPED_TRACE(style.title);
    const ToolForm form = form_of(style);
    const std::string other = trimmed(written(style, "", {{"sub", {{"a", 1}}}}));
    EXPECT_EQ(told(form, other), other);
    const std::string longer = trimmed(written(style, "", {{"add_three", Json::object()}}));
    EXPECT_EQ(told(form, longer), longer);
    const std::string head = trimmed(written(style, "", {{"add", {{"a", 1}}}}));
    for (const std::size_t size : {head.find("add"), head.find("add") + 2, head.find("add") + 4}) {
      EXPECT_EQ(told(form, "so " + head.substr(0, size)), "so " + head.substr(0, size));
    }
    EXPECT_EQ(told(form, head.substr(0, head.find("add") + 3) + "!! " + head),
              head.substr(0, head.find("add") + 3) + "!!" + told(form, head));
    EXPECT_EQ(told(form, "a < [b] <tool and [TOOL"), "a < [b] <tool and [TOOL");
  }
}

TEST(NamedForm, ATextThatEndsInACallLeavesItOpen) {
  EXPECT_EQ(told(form_of(style_of("mistral")), "[TOOL_CALLS]add[ARGS]{\"a\": 1"), "|add({\"a\": 1");
  EXPECT_EQ(
      told(form_of(style_of("glm")), "<tool_call>add\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n<arg_key>te"),
      "|add({\"a\": 1");
  EXPECT_EQ(told(form_of(style_of("deepseek")),
                 "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n{}\n```<｜tool▁ca"),
            "|add({})|");
  // What is no argument ends those that were.
  EXPECT_EQ(told(form_of(style_of("glm")), "<tool_call>add\n<arg_key>a</arg_key>\n<arg_value>1</arg_value> well"),
            "|add({\"a\": 1})|well");
}

TEST(NamedForm, ATextThatStandsApartIsToldAsItComes) {
  ReplyReader reader(form_of(style_of("qwen")), kFunctions);
  const auto next = [&](const char* piece) { return told(reader.read(piece)); };
  EXPECT_EQ(next("<tool_call>\n<function=add>\n<parameter=text>"), "|add(");
  EXPECT_EQ(next("\n"), "{\"text\": \"");
  EXPECT_EQ(next("one \"word"), "one \\\"word");
  EXPECT_EQ(next(" \xc3"), " ");
  EXPECT_EQ(next("\xa9\n"), "é");
  EXPECT_EQ(next("more\n</param"), "\\nmore");
  EXPECT_EQ(next("s>\n\n"), "\\n</params>\\n");
  EXPECT_EQ(next("</parameter>\n"), "\"");
  EXPECT_EQ(next("<parameter=a>\n1"), "");
  EXPECT_EQ(next("2\n</parameter>\n</function>\n</tool_call>"), ", \"a\": 12})|");
  EXPECT_EQ(told(reader.finish()), "");
}

TEST(NamedForm, WhiteSpaceNeedNotBeAsInTheTemplate) {
  const ToolForm qwen = form_of(style_of("qwen"));
  EXPECT_EQ(told(qwen,
                 "<tool_call><function=add><parameter=a>1</parameter><parameter=text> b\n\n</parameter>"
                 "</function></tool_call>"),
            "|add({\"a\": 1, \"text\": \" b\\n\"})|");
  EXPECT_EQ(told(form_of(style_of("command")),
                 "<|START_ACTION|>[{\"tool_call_id\":\"12\",\"tool_name\":\"add\",\"parameters\":{\"a\": 1}},"
                 "{\"tool_call_id\":\"13\",\"tool_name\":\"add_two\",\"parameters\":{}}]<|END_ACTION|>."),
            "|add({\"a\": 1})||add_two({})|.");
}

TEST(ParameterValue, IsOfTheTypeThatTheSchemaAllows) {
  const Json schema = Json::parse(R"({"type": "object", "$defs": {"e": {"enum": ["1", "2"]}}, "properties": {
    "text": {"type": "string"}, "number": {"type": "number"}, "flag": {"type": "boolean"}, "list": {"type": "array"},
    "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "either": {"type": ["string", "integer"]},
    "one": {"$ref": "#/$defs/e"}, "any": {}}})");
  const auto json = [&](const char* name, const char* value) {
    return parameter_json({.name = name, .value = value}, schema);
  };
  EXPECT_EQ(json("text", "7"), "\"7\"");
  EXPECT_EQ(json("text", "null"), "\"null\"");
  EXPECT_EQ(json("text", " a\"b\n"), R"(" a\"b\n")");
  EXPECT_EQ(json("number", "\n7.50 "), "7.50");
  EXPECT_EQ(json("number", "12345678901234567890123"), "12345678901234567890123");
  EXPECT_EQ(json("number", "seven"), "\"seven\"");
  EXPECT_EQ(json("flag", "True"), "true");
  EXPECT_EQ(json("flag", "false"), "false");
  EXPECT_EQ(json("list", "[1, {\"a\": \"b\"}]"), "[1, {\"a\": \"b\"}]");
  EXPECT_EQ(json("maybe", "null"), "null");
  EXPECT_EQ(json("maybe", "7"), "\"7\"");
  EXPECT_EQ(json("either", "7"), "7");
  EXPECT_EQ(json("either", "7.5"), "\"7.5\"");
  EXPECT_EQ(json("either", "true"), "\"true\"");
  EXPECT_EQ(json("one", "1"), "\"1\"");
  EXPECT_EQ(json("any", "{\"a\": 1}"), "{\"a\": 1}");
  EXPECT_EQ(json("any", "words"), "\"words\"");
  EXPECT_EQ(json("unknown", "7"), "7");
  EXPECT_EQ(parameter_json({.is_json = true, .name = "text", .value = "7"}, nullptr), "7");
  EXPECT_EQ(parameter_json({.is_text = true, .name = "number", .value = "7"}, schema), "\"7\"");
}

TEST(ParameterValue, ATagInATextOfAListEndsNothing) {
  const ToolForm form = form_of(style_of("qwen"));
  EXPECT_EQ(told(form,
                 "<tool_call>\n<function=add>\n<parameter=list>\n[\"</parameter>\"]\n</parameter>\n</function>\n"
                 "</tool_call>"),
            "|add({\"list\": [\"</parameter>\"]})|");
}

TEST(NamedForm, ATemplateThatShowsNoFunctionsIsToldThemInItsOwnForm) {
  CallStyle style = style_of("deepseek short");
  std::string source = style.source();
  source.erase(0, source.find("{% for m in messages"));
  const std::optional<ToolForm> form = tool_form_of(chat_of(source));
  ASSERT_TRUE(form && form->by_name());
  EXPECT_FALSE(form->in_template);
  Conversation conversation;
  conversation.messages = Json::parse(R"([{"role": "user", "content": "q"},
    {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
    {"role": "tool", "tool_call_id": "1", "content": "2"}])");
  conversation.tools = Json::parse(R"([{"type": "function", "function": {"name": "f"}}])");
  write_tools(conversation, *form);
  const std::string text = chat_of(source).render(conversation);
  EXPECT_THAT(text, testing::StartsWith("system: You may call one or more functions"));
  EXPECT_THAT(text, testing::HasSubstr(R"({"type":"function","function":{"name":"f"}})"));
  EXPECT_THAT(text, testing::HasSubstr("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜><function-name><｜tool▁sep｜>"));
  EXPECT_THAT(text, testing::EndsWith("user: q[E]assistant: <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>"
                                      "{\"a\": 1}<｜tool▁call▁end｜><｜tool▁calls▁end｜>[E]tool: 2[E]assistant: "));
}

}  // namespace
}  // namespace gyre::serve::named_form_test
