#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "model_folder.hpp"
#include "serve/ascii_model.hpp"
#include "serve/served.hpp"

namespace gyre::responses_test {
namespace {

using Json = nlohmann::ordered_json;
using testing::ElementsAre;
using testing::StartsWith;

class Responses : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    model_ = std::make_unique<AsciiModel>(kTaggedTemplate);
    server_ = std::make_unique<Served>(std::vector<std::string>{"-m", "m=" + model_->path()});
  }
  static void TearDownTestSuite() {
    server_.reset();
    model_.reset();
  }

  static Json respond(const Json& body) {
    const Answer answer = server_->post("/v1/responses", body);
    EXPECT_EQ(answer.status, 200) << answer.json;
    return answer.json;
  }
  static std::string refusal(const char* field, const Json& value) {
    Json body = {{"input", "hi"}, {"max_output_tokens", 2}};
    body[field] = value;
    const Answer answer = server_->post("/v1/responses", body);
    EXPECT_EQ(answer.status, 400) << answer.json;
    return answer.status == 400 ? answer.json["error"]["param"].get<std::string>() : "taken";
  }
  static std::vector<std::string> types_of(const std::vector<Json>& events) {
    std::vector<std::string> types;
    for (const Json& event : events) {
      const std::string type = event["type"];
      if (types.empty() || types.back() != type) types.push_back(type);  // of those that follow each other one
    }
    return types;
  }
  static std::vector<Json> stream(const Json& body) {
    std::vector<Json> events;
    for (const std::string& line : server_->stream("/v1/responses", body)) events.push_back(Json::parse(line));
    for (std::size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i]["sequence_number"], i);
    return events;
  }

  static std::unique_ptr<AsciiModel> model_;
  static std::unique_ptr<Served> server_;
};
std::unique_ptr<AsciiModel> Responses::model_;
std::unique_ptr<Served> Responses::server_;

TEST(ResponsesOfAModel, WithoutATemplateAreRefusedUnderTheirOwnField) {
  const ModelFolder model;
  const Served server({"-m", model.path().string()});
  const Answer answer = server.post("/v1/responses", {{"input", "hi"}});
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.json["error"]["param"], "input");
}

TEST_F(Responses, WriteWhatChatsWrite) {
  const Json chat =
      server_
          ->post("/v1/chat/completions",
                 {{"messages", {{{"role", "system"}, {"content", "be"}}, {{"role", "user"}, {"content", "hi"}}}},
                  {"max_tokens", 12},
                  {"seed", 3}})
          .json;
  const Json answer = respond(
      {{"instructions", "be"}, {"input", "hi"}, {"max_output_tokens", 12}, {"seed", 3}, {"metadata", {{"a", "b"}}}});
  EXPECT_EQ(answer["output"][0]["content"][0]["text"], chat["choices"][0]["message"]["content"]);
  EXPECT_EQ(answer["usage"]["input_tokens"], chat["usage"]["prompt_tokens"]);
  EXPECT_EQ(answer["usage"]["output_tokens"], 12);
  EXPECT_EQ(answer["status"], "incomplete");
  EXPECT_EQ(answer["incomplete_details"]["reason"], "max_output_tokens");
  EXPECT_EQ(answer["metadata"].dump(), R"({"a":"b"})");
  EXPECT_EQ(answer["instructions"], "be");
  EXPECT_EQ(answer["store"], false);
}

TEST_F(Responses, AStreamTellsOfEveryItemFromItsBeginningToItsEnd) {
  const Json body = {{"input", "hi"}, {"max_output_tokens", 12}, {"seed", 3}};
  const Json whole = respond(body);
  const std::vector<Json> events = stream(body);
  EXPECT_THAT(types_of(events),
              ElementsAre("response.created", "response.in_progress", "response.output_item.added",
                          "response.content_part.added", "response.output_text.delta", "response.output_text.done",
                          "response.content_part.done", "response.output_item.done", "response.incomplete"));
  std::string text;
  for (const Json& event : events) {
    if (event["type"] == "response.output_text.delta") text += event["delta"].get<std::string>();
  }
  EXPECT_EQ(text, whole["output"][0]["content"][0]["text"]);
  const Json& last = events.back()["response"];
  EXPECT_EQ(last["output"][0]["content"], whole["output"][0]["content"]);
  EXPECT_EQ(last["usage"]["total_tokens"], whole["usage"]["total_tokens"]);
  EXPECT_EQ(last["id"], events.front()["response"]["id"]);
  EXPECT_EQ(events.front()["response"]["status"], "in_progress");
  EXPECT_TRUE(events.front()["response"]["usage"].is_null());
  EXPECT_EQ(events[2]["item"]["id"], last["output"][0]["id"]);
  const auto raw = server_->client().Post(
      "/v1/responses", Json(body).patch(Json::parse(R"([{"op": "add", "path": "/stream", "value": true}])")).dump(),
      "application/json");
  EXPECT_THAT(raw->body, StartsWith("event: response.created\ndata: {\"type\":\"response.created\","));
}

TEST_F(Responses, TextsAreOfTheirFormat) {
  const Json schema = {{"type", "object"}, {"properties", {{"a", {{"enum", {1, 2}}}}}}, {"required", {"a"}}};
  const Json answer =
      respond({{"input", "hi"}, {"text", {{"format", {{"type", "json_schema"}, {"name", "n"}, {"schema", schema}}}}}});
  EXPECT_EQ(answer["status"], "completed");
  const Json made = Json::parse(answer["output"][0]["content"][0]["text"].get<std::string>());
  EXPECT_THAT(made["a"].get<int>(), testing::AnyOf(1, 2));
  EXPECT_EQ(answer["text"]["format"]["name"], "n");
}

TEST_F(Responses, FunctionsAreCalledAndTheirOutputsGoBack) {
  const Json tool = {
      {"type", "function"},
      {"name", "f"},
      {"parameters", {{"type", "object"}, {"properties", {{"a", {{"type", "boolean"}}}}}, {"required", {"a"}}}}};
  const Json body = {{"input", "hi"},
                     {"tools", {tool}},
                     {"tool_choice", {{"type", "function"}, {"name", "f"}}},
                     {"parallel_tool_calls", false},
                     {"seed", 3}};
  const Json call = respond(body)["output"][0];
  EXPECT_EQ(call["type"], "function_call");
  EXPECT_EQ(call["name"], "f");
  EXPECT_EQ(call["status"], "completed");
  EXPECT_TRUE(Json::parse(call["arguments"].get<std::string>())["a"].is_boolean());
  const std::vector<Json> events = stream(body);
  EXPECT_THAT(types_of(events),
              ElementsAre("response.created", "response.in_progress", "response.output_item.added",
                          "response.function_call_arguments.delta", "response.function_call_arguments.done",
                          "response.output_item.done", "response.completed"));
  EXPECT_EQ(events[events.size() - 3]["arguments"], call["arguments"]);
  EXPECT_EQ(events.back()["response"]["output"][0]["arguments"], call["arguments"]);

  const Json chat = {
      {{"role", "user"}, {"content", "hi"}},
      {{"role", "assistant"},
       {"content", ""},
       {"tool_calls",
        {{{"id", "c"}, {"type", "function"}, {"function", {{"name", "f"}, {"arguments", R"({"a": true})"}}}}}}},
      {{"role", "tool"}, {"tool_call_id", "c"}, {"content", "2"}}};
  const Json items = {{{"type", "message"}, {"role", "user"}, {"content", {{{"type", "input_text"}, {"text", "hi"}}}}},
                      {{"type", "function_call"}, {"call_id", "c"}, {"name", "f"}, {"arguments", R"({"a": true})"}},
                      {{"type", "function_call_output"}, {"call_id", "c"}, {"output", "2"}}};
  const Json of_chat =
      server_->post("/v1/chat/completions", {{"messages", chat}, {"max_tokens", 9}, {"temperature", 0}}).json;
  const Json of_items = respond({{"input", items}, {"max_output_tokens", 9}, {"temperature", 0}});
  EXPECT_EQ(of_items["output"][0]["content"][0]["text"], of_chat["choices"][0]["message"]["content"]);
  EXPECT_EQ(of_items["usage"]["input_tokens"], of_chat["usage"]["prompt_tokens"]);
}

TEST_F(Responses, LogprobsComeWhereTheyAreAskedFor) {
  Json body = {{"input", "hi"}, {"max_output_tokens", 5}, {"temperature", 0}};
  EXPECT_TRUE(respond(body)["output"][0]["content"][0]["logprobs"].empty());
  body["include"] = {"message.output_text.logprobs"};
  body["top_logprobs"] = 2;
  const Json logprobs = respond(body)["output"][0]["content"][0]["logprobs"];
  ASSERT_EQ(logprobs.size(), 5U);
  EXPECT_EQ(logprobs[0]["top_logprobs"].size(), 2U);
  Json streamed = Json::array();
  for (const Json& event : stream(body)) {
    if (event["type"] != "response.output_text.delta") continue;
    streamed.insert(streamed.end(), event["logprobs"].begin(), event["logprobs"].end());
  }
  EXPECT_EQ(streamed, logprobs);
}

TEST_F(Responses, WhatWouldBeKeptOrIsNotOfferedIsRefused) {
  EXPECT_EQ(refusal("previous_response_id", "resp_1"), "previous_response_id");
  EXPECT_EQ(refusal("conversation", "conv_1"), "conversation");
  EXPECT_EQ(refusal("store", true), "store");
  EXPECT_EQ(refusal("background", true), "background");
  EXPECT_EQ(refusal("truncation", "auto"), "truncation");
  EXPECT_EQ(refusal("reasoning", {{"effort", "high"}}), "reasoning");
  EXPECT_EQ(refusal("n", 2), "n");
  EXPECT_EQ(refusal("max_tokens", 2), "max_tokens");
  EXPECT_EQ(refusal("max_output_tokens", 0), "max_output_tokens");
  EXPECT_EQ(refusal("include", {"file_search_call.results"}), "include[0]");
  EXPECT_EQ(refusal("top_logprobs", 2), "top_logprobs");
  EXPECT_EQ(refusal("tools", {{{"type", "web_search"}}}), "tools[0].type");
  EXPECT_EQ(refusal("text", {{"format", {{"type", "json_schema"}}}}), "text.format.json_schema");
  EXPECT_EQ(refusal("input", 3), "input");
  EXPECT_EQ(refusal("input", Json::array()), "input");
  EXPECT_EQ(refusal("input", {{{"type", "item_reference"}}}), "input[0].type");
  EXPECT_EQ(refusal("input", {{{"role", "tool"}, {"content", "a"}}}), "input[0].role");
  EXPECT_EQ(refusal("input", {{{"role", "user"}, {"content", {{{"type", "input_image"}}}}}}),
            "input[0].content[0].type");
  EXPECT_EQ(refusal("input", {{{"type", "function_call"}, {"name", "f"}, {"arguments", "["}}}), "input[0].arguments");
}

}  // namespace
}  // namespace gyre::responses_test
