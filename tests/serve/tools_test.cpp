#include "serve/tools.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "serve/ascii_model.hpp"
#include "serve/served.hpp"
#include "serve/tool_language.hpp"

namespace gyre::serve::tools_test {
namespace {

using testing::HasSubstr;

const Json kParameters = {{"type", "object"},
                          {"properties", {{"a", {{"type", "integer"}}}, {"b", {{"enum", {"x", "y"}}}}}},
                          {"required", {"a"}}};

Json function(const char* name, const Json& parameters = kParameters) {
  return {{"type", "function"}, {"function", {{"name", name}, {"description", "d"}, {"parameters", parameters}}}};
}

std::string call(const std::string& name, const std::string& arguments) {
  return fmt::format("<tool_call>\n{{\"name\": \"{}\", \"arguments\": {}}}\n</tool_call>", name, arguments);
}

TEST(ToolForm, IsHowTheTemplateWritesACall) {
  const auto form = [](const std::string& source) { return tool_form_of(ChatTemplate(source, "", "", "t")); };
  EXPECT_TRUE(form(kTaggedTemplate)->in_template);
  EXPECT_EQ(form(kTaggedTemplate)->open, "<tool_call>");
  EXPECT_FALSE(form(kTaggedTemplate)->text_arguments);
  EXPECT_TRUE(form(kBareTemplate)->bare());
  EXPECT_EQ(form(kBareTemplate)->arguments, "parameters");
  EXPECT_FALSE(form(kPlainTemplate)->in_template);
  EXPECT_TRUE(form(kPlainTemplate)->takes_system);
  std::string as_text = kTaggedTemplate;
  as_text.replace(as_text.find(" | tojson"), 9, " + ''");
  EXPECT_TRUE(form(as_text)->text_arguments);
  EXPECT_FALSE(form("{% for t in tools or [] %}{{ t.function.name }}{% endfor %}"));
  EXPECT_FALSE(form("{% if tools %}{{ raise_exception('no') }}{% endif %}{{ messages[0].content }}"));
  const auto no_system = form(
      "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
      "{{ m.content }}{% endfor %}");
  EXPECT_FALSE(no_system->takes_system);
}

TEST(ToolForm, IsAListWhereTheTemplateWritesOneBehindATag) {
  const std::optional<ToolForm> form = tool_form_of(ChatTemplate(kListTemplate, "", "", "t"));
  ASSERT_TRUE(form);
  EXPECT_TRUE(form->list);
  EXPECT_EQ(form->open, "[TOOL_CALLS]");
  EXPECT_EQ(form->gap, " ");
  EXPECT_EQ(form->close, "");
  EXPECT_TRUE(form->ids);
  std::string between_tags = kListTemplate;
  between_tags.replace(between_tags.find("[TOOL_CALLS] "), 13, "<TOOLCALL>");
  between_tags.replace(between_tags.find("]</s>"), 5, "]</TOOLCALL>");
  between_tags.replace(between_tags.find(", \"id\""), 21, "}");
  const std::optional<ToolForm> tagged = tool_form_of(ChatTemplate(between_tags, "", "", "t"));
  ASSERT_TRUE(tagged);
  EXPECT_EQ(tagged->open + tagged->gap + tagged->close, "<TOOLCALL></TOOLCALL>");
  EXPECT_FALSE(tagged->ids);
  std::string untagged = kListTemplate;
  untagged.replace(untagged.find("[TOOL_CALLS] "), 13, "so: ");
  EXPECT_FALSE(tool_form_of(ChatTemplate(untagged, "", "", "t")));
}

TEST(ToolForm, IdsAreBroughtToTheSizeThatATemplateTakes) {
  const ChatTemplate chat(kListTemplate, "", "", "t");
  Conversation conversation;
  conversation.messages = Json::parse(R"([
    {"role": "user", "content": "q"},
    {"role": "assistant", "content": "", "tool_calls": [
      {"id": "call_0001", "function": {"name": "f", "arguments": {"a": 1}}},
      {"id": "call_abcdefghijkl", "function": {"name": "g", "arguments": {}}}]},
    {"role": "tool", "tool_call_id": "call_abcdefghijkl", "content": "2"}])");
  write_tools(conversation, *tool_form_of(chat));
  // printf call_abcdefghijkl | sha256sum
  EXPECT_EQ(chat.render(conversation),
            "q[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": \"call_0001\"}, "
            "{\"name\": \"g\", \"arguments\": {}, \"id\": \"f553c190c\"}]</s>2f553c190c");
}

TEST(ToolForm, WhatATemplateDoesNotKnowIsPutIntoWords) {
  const ToolForm form{.in_template = false};
  Conversation conversation;
  conversation.messages = Json::parse(R"([
    {"role": "user", "content": "q"},
    {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
    {"role": "tool", "tool_call_id": "1", "content": "2"}])");
  conversation.tools = Json::array({function("f")});
  write_tools(conversation, form);
  EXPECT_TRUE(conversation.tools.is_null());
  ASSERT_EQ(conversation.messages.size(), 4U);
  EXPECT_EQ(conversation.messages[0]["role"], "system");
  EXPECT_THAT(conversation.messages[0]["content"].get<std::string>(),
              testing::AllOf(HasSubstr(function("f").dump()), HasSubstr("<tool_call>\n{\"name\": <function-name>")));
  EXPECT_EQ(conversation.messages[2]["content"], "<tool_call>\n{\"name\":\"f\",\"arguments\":{\"a\":1}}\n</tool_call>");
  EXPECT_FALSE(conversation.messages[2].contains("tool_calls"));
  EXPECT_EQ(conversation.messages[3].dump(), R"({"role":"user","content":"<tool_response>\n2\n</tool_response>"})");
}

TEST(ToolLanguage, ACallThatIsRequiredHasTheArgumentsOfItsSchema) {
  Json body = {{"tools", {function("f"), function("g", {})}}, {"tool_choice", "required"}};
  auto language = language_of_calls(tools_of(body), {});
  EXPECT_TRUE(holds(language, call("f", R"({"a": 1, "b": "x"})")));
  EXPECT_TRUE(holds(language, call("f", R"({"a": 1})") + "\n" + call("g", "{}")));
  for (const std::string& wrong : {call("f", R"({"b": "x"})"), call("f", R"({"a": "1"})"), call("h", "{}"),
                                   call("g", R"({"a": 1})"), "Well. " + call("g", "{}"), std::string()}) {
    EXPECT_FALSE(holds(language, wrong)) << wrong;
  }
  body["tool_choice"] = {{"type", "function"}, {"function", {{"name", "g"}}}};
  body["parallel_tool_calls"] = false;
  auto named = language_of_calls(tools_of(body), {});
  EXPECT_TRUE(holds(named, call("g", "{}")));
  EXPECT_FALSE(holds(named, call("f", R"({"a": 1})")));
  EXPECT_FALSE(holds(named, call("g", "{}") + "\n" + call("g", "{}")));
}

TEST(ToolLanguage, AFreeAnswerIsHeldToStrictSchemasFromItsTagOn) {
  Json body = {{"tools", {function("f"), function("g")}}};
  EXPECT_FALSE(language_of_calls(tools_of(body), {}));
  body["tools"][0]["function"]["strict"] = true;
  auto language = language_of_calls(tools_of(body), {});
  for (const std::string& fine : {std::string(), std::string("a < b, <tool_cal and <<tool"), call("f", R"({"a": 1})"),
                                  "Let me see <" + call("f", R"({"a": 1})"), call("g", R"({"anything": [1, null]})")}) {
    EXPECT_TRUE(holds(language, fine)) << fine;
  }
  for (const std::string& wrong : {call("f", R"({"b": "x"})"), "so " + call("f", "{}"), "so <" + call("f", "{}"),
                                   call("f", R"({"a": 1})") + " so"}) {
    EXPECT_FALSE(holds(language, wrong)) << wrong;
  }
  const ToolForm bare{.open = "", .close = "", .arguments = "parameters"};
  auto alone = language_of_calls(tools_of(body), bare);
  EXPECT_TRUE(holds(alone, R"({"name": "f", "parameters": {"a": 1}})"));
  EXPECT_TRUE(holds(alone, "no { call"));
  EXPECT_FALSE(holds(alone, R"({"name": "f", "parameters": {}})"));
}

TEST(ToolLanguage, CallsOfAListAreInOneBracket) {
  Json body = {{"tools", {function("f"), function("g", {})}}, {"tool_choice", "required"}};
  const ToolForm form{.open = "[TOOL_CALLS]", .close = "", .list = true, .gap = " ", .ids = true};
  auto language = language_of_calls(tools_of(body), form);
  const std::string f = R"({"name": "f", "arguments": {"a": 1}, "id": "abcDEF012"})";
  const std::string g = R"({"name": "g", "arguments": {}})";
  EXPECT_TRUE(holds(language, "[TOOL_CALLS] [" + f + "]"));
  EXPECT_TRUE(holds(language, "[TOOL_CALLS] [" + f + ", " + g + "]"));
  for (const std::string& wrong :
       {"[TOOL_CALLS] " + f, "[TOOL_CALLS] [" + f, std::string("[TOOL_CALLS] []"), "[TOOL_CALLS] [" + f + "] so",
        std::string(R"([TOOL_CALLS] [{"name": "g", "arguments": {}, "id": "short"}])")}) {
    EXPECT_FALSE(holds(language, wrong)) << wrong;
  }
  body["parallel_tool_calls"] = false;
  auto one = language_of_calls(tools_of(body), form);
  EXPECT_TRUE(holds(one, "[TOOL_CALLS] [" + g + "]"));
  EXPECT_FALSE(holds(one, "[TOOL_CALLS] [" + g + ", " + g + "]"));
}

class ToolCalls : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    tagged_ = std::make_unique<AsciiModel>(kTaggedTemplate);
    plain_ = std::make_unique<AsciiModel>(kPlainTemplate);
    other_ = std::make_unique<AsciiModel>(
        "{% for t in tools or [] %}{{ t.function.name }}{% endfor %}"
        "{% for m in messages %}{{ m.content }}{% endfor %}");
    server_ = std::make_unique<Served>(std::vector<std::string>{
        "-m", "tagged=" + tagged_->path(), "-m", "plain=" + plain_->path(), "-m", "other=" + other_->path()});
  }
  static void TearDownTestSuite() {
    server_.reset();
    tagged_.reset();
    plain_.reset();
    other_.reset();
  }

  static Json request(const char* model = "tagged") {
    return {{"model", model},
            {"messages", {{{"role", "user"}, {"content", "hi"}}}},
            {"seed", 3},
            {"temperature", 1},
            {"max_tokens", 1000},
            {"tools", {function("f"), function("g", {})}},
            {"tool_choice", "required"}};
  }
  static Json complete(const Json& body) {
    const Answer answer = server_->post("/v1/chat/completions", body);
    EXPECT_EQ(answer.status, 200) << answer.json;
    return answer.json["choices"][0];
  }
  static std::string refusal(const Json& body) {
    const Answer answer = server_->post("/v1/chat/completions", body);
    EXPECT_EQ(answer.status, 400) << answer.json;
    return answer.status == 400 ? answer.json["error"]["param"].get<std::string>() : "taken";
  }
  static std::string prompt(Json body) {
    for (const char* name : {"seed", "temperature", "max_tokens", "tool_choice"}) body.erase(name);
    return server_->post("/apply-template", body).json["prompt"];
  }

  static std::unique_ptr<AsciiModel> tagged_;
  static std::unique_ptr<AsciiModel> plain_;
  static std::unique_ptr<AsciiModel> other_;
  static std::unique_ptr<Served> server_;
};
std::unique_ptr<AsciiModel> ToolCalls::tagged_;
std::unique_ptr<AsciiModel> ToolCalls::plain_;
std::unique_ptr<AsciiModel> ToolCalls::other_;
std::unique_ptr<Served> ToolCalls::server_;

TEST_F(ToolCalls, ARequiredCallIsOneOfAFunctionWithItsArguments) {
  for (const char* model : {"tagged", "plain"}) {
    Json body = request(model);
    body["tool_choice"] = {{"type", "function"}, {"function", {{"name", "f"}}}};
    body["parallel_tool_calls"] = false;
    const Json choice = complete(body);
    EXPECT_EQ(choice["finish_reason"], "tool_calls");
    EXPECT_TRUE(choice["message"]["content"].is_null());
    ASSERT_EQ(choice["message"]["tool_calls"].size(), 1U);
    const Json& made = choice["message"]["tool_calls"][0];
    EXPECT_EQ(made["type"], "function");
    EXPECT_EQ(made["function"]["name"], "f");
    EXPECT_THAT(made["id"].get<std::string>(), testing::StartsWith("call_"));
    const Json arguments = Json::parse(made["function"]["arguments"].get<std::string>());
    EXPECT_TRUE(arguments["a"].is_number_integer()) << arguments;
  }
}

TEST_F(ToolCalls, AStreamBringsTheNameFirstAndTheArgumentsInPieces) {
  Json body = request();
  body["parallel_tool_calls"] = false;
  const Json whole = complete(body)["message"]["tool_calls"][0];
  Json calls = Json::array();
  std::string reason;
  for (const std::string& line : server_->stream("/v1/chat/completions", body)) {
    if (line == "[DONE]") continue;
    const Json choice = Json::parse(line)["choices"][0];
    if (choice["delta"].contains("tool_calls")) calls.push_back(choice["delta"]["tool_calls"][0]);
    if (choice["finish_reason"].is_string()) reason = choice["finish_reason"];
    EXPECT_TRUE(choice["delta"].value("content", "").empty());
  }
  EXPECT_EQ(reason, "tool_calls");
  ASSERT_GT(calls.size(), 2U);
  EXPECT_THAT(calls[0]["id"].get<std::string>(), testing::StartsWith("call_"));
  EXPECT_EQ(calls[0]["function"], Json({{"name", whole["function"]["name"]}, {"arguments", ""}}));
  std::string arguments;
  for (std::size_t i = 1; i < calls.size(); ++i) {
    EXPECT_EQ(calls[i]["index"], 0);
    EXPECT_EQ(calls[i].size(), 2U);  // neither id nor name again
    arguments += calls[i]["function"]["arguments"].get<std::string>();
  }
  EXPECT_EQ(arguments, whole["function"]["arguments"]);
}

TEST_F(ToolCalls, ATextThatRunsOutOfTokensInACallSaysSo) {
  Json body = request();
  body["tool_choice"] = {{"type", "function"}, {"function", {{"name", "f"}}}};
  body["max_tokens"] = 45;
  const Json choice = complete(body);
  EXPECT_EQ(choice["finish_reason"], "length");
  EXPECT_EQ(choice["message"]["tool_calls"][0]["function"]["name"], "f");
}

TEST_F(ToolCalls, FunctionsAndTheirHistoryReachTheTemplate) {
  Json body = request();
  body["messages"] = Json::parse(R"([{"role": "user", "content": "q"},
    {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function",
      "function": {"name": "f", "arguments": "{\"a\": 1}"}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "2"}])");
  EXPECT_EQ(prompt(body), "[f][g]user:q\nassistant:\n" + call("f", R"({"a": 1})") + "\ntool:2\nassistant:");
  body["tool_choice"] = "none";
  body["max_tokens"] = 4;
  EXPECT_EQ(complete(body)["finish_reason"], "length");
  body["messages"][1]["tool_calls"][0]["function"]["arguments"] = "{\"a\": ";
  EXPECT_EQ(refusal(body), "messages[1].tool_calls[0].function.arguments");
}

TEST_F(ToolCalls, WithoutAChoiceAnAnswerMayBeText) {
  Json body = request();
  body.erase("tool_choice");
  body["max_tokens"] = 12;
  const Json choice = complete(body);
  EXPECT_EQ(choice["finish_reason"], "length");
  EXPECT_FALSE(choice["message"].contains("tool_calls"));
  Json without = body;
  without.erase("tools");
  without["messages"][0]["content"] = "x";
  EXPECT_EQ(complete(without)["message"]["content"].get<std::string>().size(), 12U);
}

TEST_F(ToolCalls, WhatIsWrongIsNamed) {
  const auto with = [](const char* field, const Json& value) {
    Json body = request();
    body[field] = value;
    return refusal(body);
  };
  EXPECT_EQ(refusal(request("other")), "tools");
  EXPECT_EQ(with("tools", {{{"type", "web_search"}}}), "tools[0].type");
  EXPECT_EQ(with("tools", {{{"type", "function"}}}), "tools[0].function");
  EXPECT_EQ(with("tools", Json::array({function("a b")})), "tools[0].function.name");
  EXPECT_EQ(with("tools", {function("f"), function("f")}), "tools[1]");
  EXPECT_EQ(with("tools", Json::array({function("f", "schema")})), "tools[0].function.parameters");
  EXPECT_EQ(with("tools", Json::array({function("f", {{"type", "object"}, {"minProperties", 1}})})),
            "tools[0].function.parameters.minProperties");
  EXPECT_EQ(with("tool_choice", "always"), "tool_choice");
  EXPECT_EQ(with("tool_choice", {{"type", "function"}, {"function", {{"name", "h"}}}}), "tool_choice.function.name");
  EXPECT_EQ(with("parallel_tool_calls", 1), "parallel_tool_calls");
  EXPECT_EQ(with("response_format", {{"type", "json_object"}}), "tools");
  Json none = request();
  none["tools"] = Json::array();
  EXPECT_EQ(refusal(none), "tool_choice");
}

}  // namespace
}  // namespace gyre::serve::tools_test
