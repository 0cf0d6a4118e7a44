#include "serve/named_language.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "serve/ascii_model.hpp"
#include "serve/named_calls.hpp"
#include "serve/served.hpp"
#include "serve/tool_language.hpp"

namespace gyre::serve::named_language_test {
namespace {

const Json kParameters = Json::parse(R"({"type": "object", "required": ["a"], "properties": {
  "a": {"type": "integer"}, "b": {"enum": ["x", "y z"]}, "c": {"type": "string"}, "d": {"type": "array",
  "items": {"type": "string"}}}})");

Json function(const char* name, const Json& parameters = kParameters) {
  return {{"type", "function"}, {"function", {{"name", name}, {"parameters", parameters}}}};
}

struct Style {
  explicit Style(const CallStyle& style) : chat(style.source(), "", "", "t"), form(tool_form_of(chat).value()) {}

  /// What the template writes for calls, without what stands before their first tag.
  [[nodiscard]] std::string written(const std::vector<std::pair<std::string, Json>>& calls) const {
    Conversation conversation;
    conversation.add_generation_prompt = false;
    Json list = Json::array();
    for (const auto& [name, arguments] : calls) {
      list.push_back({{"id", "abcDEF012"}, {"function", {{"name", name}, {"arguments", arguments}}}});
    }
    conversation.messages = Json::array({Json{{"role", "assistant"}, {"content", ""}, {"tool_calls", list}}});
    const std::string all = chat.render(conversation);
    const std::size_t begin = all.find(form.open);
    return all.substr(begin, all.size() - begin - 3);
  }

  ChatTemplate chat;
  ToolForm form;
};

TEST(NamedLanguage, HoldsWhatTheTemplateWritesAndNothingElse) {
  const Json full = {{"a", 1}, {"b", "y z"}, {"c", "<any> \"text\"\n{}"}, {"d", Json::array({"e", "f"})}};
  for (const CallStyle& one : call_styles()) {
    SCOPED_TRACE(one.title);
    const Style style(one);
    Json body = {{"tools", {function("f"), function("f_two", {})}}, {"tool_choice", "required"}};
    auto language = language_of_calls(tools_of(body), style.form);
    const Json least = {{"a", -3}};
    EXPECT_TRUE(holds(language, style.written({{"f", full}})));
    EXPECT_TRUE(holds(language, style.written({{"f", least}})));
    EXPECT_TRUE(holds(language, style.written({{"f_two", Json::object()}, {"f", least}, {"f", full}})));
    for (const std::string& wrong :
         {std::string(), style.written({{"g", least}}), style.written({{"f", Json::object()}}),
          style.written({{"f", {{"a", "x"}}}}), style.written({{"f", {{"a", 1}, {"b", "z"}}}}),
          style.written({{"f", {{"a", 1}, {"e", 1}}}}), style.written({{"f_two", least}}),
          style.written({{"f", least}}) + " so", "so " + style.written({{"f", least}})}) {
      EXPECT_FALSE(holds(language, wrong)) << wrong;
    }
    body["tool_choice"] = {{"type", "function"}, {"function", {{"name", "f"}}}};
    body["parallel_tool_calls"] = false;
    auto only = language_of_calls(tools_of(body), style.form);
    EXPECT_TRUE(holds(only, style.written({{"f", least}})));
    EXPECT_FALSE(holds(only, style.written({{"f_two", Json::object()}})));
    EXPECT_FALSE(holds(only, style.written({{"f", least}, {"f", least}})));
  }
}

TEST(NamedLanguage, AFreeAnswerIsHeldToStrictSchemasFromItsTagOn) {
  for (const CallStyle& one : call_styles()) {
    SCOPED_TRACE(one.title);
    const Style style(one);
    Json body = {{"tools", {function("f"), function("g")}}};
    EXPECT_FALSE(language_of_calls(tools_of(body), style.form));
    body["tools"][0]["function"]["strict"] = true;
    auto language = language_of_calls(tools_of(body), style.form);
    const std::string f = style.written({{"f", {{"a", 1}}}});
    const std::string g = style.written({{"g", {{"other", Json::array({1, nullptr})}, {"more", "text"}}}});
    for (const std::string& fine : {std::string("a < b [c] {}"), f, "Let me see <[" + f, g}) {
      EXPECT_TRUE(holds(language, fine)) << fine;
    }
    for (const std::string& wrong : {style.written({{"f", Json::object()}}),
                                     "so " + style.written({{"f", {{"a", "x"}}}}), f + " so", style.form.open + " "}) {
      EXPECT_FALSE(holds(language, wrong)) << wrong;
    }
  }
}

TEST(NamedLanguage, HasRoomForManyFunctionsBesideAStrictOne) {
  for (const CallStyle& one : call_styles()) {
    SCOPED_TRACE(one.title);
    const Style style(one);
    if (!one.apart) continue;
    Json body = {{"tools", Json::array({function("f")})}};
    body["tools"][0]["function"]["strict"] = true;
    for (int i = 0; i < 100; ++i) body["tools"].push_back(function(fmt::format("g_{}", i).c_str()));
    auto language = language_of_calls(tools_of(body), style.form);
    EXPECT_TRUE(holds(language, style.written({{"g_99", {{"a_longer_name.than-most", "text"}, {"b", 1}}}})));
    EXPECT_FALSE(holds(language, style.written({{"g_100", {{"a", "text"}}}})));
  }
}

TEST(NamedLanguage, IdsAndNumbersAreOfTheirKind) {
  Json body = {{"tools", {function("f", {})}}, {"tool_choice", "required"}};
  for (const CallStyle& one : call_styles()) {
    const Style style(one);
    auto language = language_of_calls(tools_of(body), style.form);
    const std::string title = one.title;
    if (title == "mistral ids") {
      EXPECT_TRUE(holds(language, "[TOOL_CALLS]f[CALL_ID]aB3aB3aB3[ARGS]{}"));
      EXPECT_FALSE(holds(language, "[TOOL_CALLS]f[CALL_ID]aB3[ARGS]{}"));
      EXPECT_FALSE(holds(language, "[TOOL_CALLS]f[ARGS]{}"));
    }
    if (title == "command") {
      const std::string before = "<|START_ACTION|>[\n    {\"tool_call_id\": \"";
      const std::string behind = "\", \"tool_name\": \"f\", \"parameters\": {}}\n]<|END_ACTION|>";
      EXPECT_TRUE(holds(language, before + "12" + behind));
      EXPECT_FALSE(holds(language, before + "a" + behind));
      EXPECT_FALSE(holds(language, before + behind));
    }
  }
}

/// The field about which a required call of a function with this argument is refused.
std::string refusal(const Json& argument, const char* title) {
  for (const CallStyle& one : call_styles()) {
    if (std::string(one.title) != title) continue;
    const Json parameters = {
        {"type", "object"}, {"$defs", {{"e", {{"enum", {"p", "q"}}}}}}, {"properties", {{"k", argument}}}};
    const Json body = {{"tools", {function("f", parameters)}}, {"tool_choice", "required"}};
    try {
      language_of_calls(tools_of(body), Style(one).form);
      return "taken";
    } catch (const ApiError& error) {
      return error.param();
    }
  }
  return "no style";
}

TEST(NamedLanguage, TextsThatStandApartAreAnyOrOneOfAList) {
  const std::string k = "tools[0].function.parameters.properties.k";
  for (const char* taken :
       {R"({"type": "string", "description": "d"})", R"({"anyOf": [{"type": "string"}, {"type": "null"}]})",
        R"({"$ref": "#/$defs/e"})", R"({"enum": ["a", 1]})", R"({"const": "c"})", R"({"type": ["string", "integer"]})",
        "{}", "true", R"({"type": "array", "items": {"type": "string", "maxLength": 3}})"}) {
    EXPECT_EQ(refusal(Json::parse(taken), "qwen"), "taken") << taken;
  }
  for (const char* refused :
       {R"({"type": "string", "maxLength": 3})", R"({"type": "string", "pattern": "^a$"})",
        R"({"anyOf": [{"type": "string"}, {"type": "integer", "enum": [1]}]})", R"({"type": ["string", "array"]})",
        R"({"enum": ["1", 2]})", R"({"const": "a</parameter>"})"}) {
    EXPECT_THAT(refusal(Json::parse(refused), "qwen"), testing::StartsWith(k)) << refused;
  }
  // Where the form says what is a text, a number that is written as one is one.
  EXPECT_EQ(refusal(Json::parse(R"({"enum": ["1", 2]})"), "dsml"), "taken");
  // JSON holds texts to all of their schema.
  EXPECT_EQ(refusal(Json::parse(R"({"type": "string", "maxLength": 3})"), "mistral"), "taken");
}

TEST(NamedLanguage, OtherSchemasOfArgumentsThatStandApartAreRefusedByName) {
  for (const CallStyle& one : call_styles()) {
    if (!one.apart) continue;
    const Json parameters = {{"type", "object"}, {"minProperties", 1}, {"properties", {{"k", {{"type", "string"}}}}}};
    const Json body = {{"tools", {function("f", parameters)}}, {"tool_choice", "required"}};
    try {
      language_of_calls(tools_of(body), Style(one).form);
      FAIL() << one.title;
    } catch (const ApiError& error) {
      EXPECT_EQ(error.param(), "tools[0].function.parameters.minProperties");
    }
  }
}

class NamedCalls : public testing::TestWithParam<const char*> {};

TEST_P(NamedCalls, OfAModelAreThoseThatWereRequired) {
  for (const CallStyle& one : call_styles()) {
    if (std::string(one.title) != GetParam()) continue;
    const AsciiModel model(one.source());
    Served server({"-m", "m=" + model.path()});
    const Json parameters = Json::parse(
        R"({"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "integer"}, "b": {"enum": ["1", "x"]}}})");
    Json body = {{"messages", {{{"role", "user"}, {"content", "hi"}}}},
                 {"seed", 5},
                 {"max_tokens", 1000},
                 {"parallel_tool_calls", false},
                 {"tools", {function("f", parameters)}},
                 {"tool_choice", "required"}};
    const Answer answer = server.post("/v1/chat/completions", body);
    ASSERT_EQ(answer.status, 200) << answer.json;
    const Json& choice = answer.json["choices"][0];
    EXPECT_EQ(choice["finish_reason"], "tool_calls");
    EXPECT_TRUE(choice["message"]["content"].is_null()) << choice;
    ASSERT_EQ(choice["message"]["tool_calls"].size(), 1U) << choice;
    const Json call = choice["message"]["tool_calls"][0]["function"];
    EXPECT_EQ(call["name"], "f");
    const Json arguments = Json::parse(call["arguments"].get<std::string>());
    EXPECT_TRUE(arguments["a"].is_number_integer()) << arguments;
    EXPECT_TRUE(arguments["b"] == "1" || arguments["b"] == "x") << arguments;
    std::string streamed;
    std::vector<Json> deltas;
    for (const std::string& line : server.stream("/v1/chat/completions", body)) {
      if (line == "[DONE]") continue;
      const Json delta = Json::parse(line)["choices"][0]["delta"];
      if (delta.contains("tool_calls")) deltas.push_back(delta["tool_calls"][0]);
      EXPECT_TRUE(delta.value("content", "").empty());
    }
    ASSERT_GT(deltas.size(), 2U);
    EXPECT_EQ(deltas[0]["function"], Json({{"name", "f"}, {"arguments", ""}}));
    for (std::size_t i = 1; i < deltas.size(); ++i) streamed += deltas[i]["function"]["arguments"].get<std::string>();
    EXPECT_EQ(streamed, call["arguments"]);
  }
}

INSTANTIATE_TEST_SUITE_P(Styles, NamedCalls, testing::Values("mistral", "command", "qwen", "glm close", "dsml"));

}  // namespace
}  // namespace gyre::serve::named_language_test
