#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "model_folder.hpp"
#include "serve/served.hpp"

namespace gyre::chat_completions_test {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;

/// A model whose template writes the roles' first letters and what was said, and whose vocabulary has a special token.
class ChatModel {
 public:
  ChatModel() {
    ModelSpec spec = small_spec();
    spec.vocab_size = 17;
    spec.context = 64;
    folder_ = std::make_unique<ModelFolder>(spec);
    write_text_atomically(folder_->path() / "chat_template.jinja",
                          "{% for m in messages %}{{ m.role[0] if m.role[0] in 'abcdefghijklmno' else 'n' }}"
                          "{{ m.content }}<a>{% endfor %}{{ word }}");
    Json tokenizer = Json::parse(read_text(folder_->path() / "tokenizer.json"));
    tokenizer["added_tokens"] = {{{"id", 16},
                                  {"content", "<a>"},
                                  {"single_word", false},
                                  {"lstrip", false},
                                  {"rstrip", false},
                                  {"normalized", false},
                                  {"special", true}}};
    write_text_atomically(folder_->path() / "tokenizer.json", tokenizer.dump());
  }
  [[nodiscard]] std::string path() const { return folder_->path().string(); }

 private:
  std::unique_ptr<ModelFolder> folder_;
};

class ChatCompletions : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    model_ = std::make_unique<ChatModel>();
    server_ = std::make_unique<Served>(std::vector<std::string>{"-m", "m=" + model_->path()});
  }
  static void TearDownTestSuite() {
    server_.reset();
    model_.reset();
  }

  static Json request(const Json& messages) {
    return {{"model", "m"}, {"messages", messages}, {"max_tokens", 8}, {"seed", 3}, {"ignore_eos", true}};
  }
  static Json complete(const Json& body) {
    const Answer answer = server_->post("/v1/chat/completions", body);
    EXPECT_EQ(answer.status, 200) << answer.json;
    return answer.json;
  }
  static int prompt_tokens(const Json& messages) { return complete(request(messages))["usage"]["prompt_tokens"]; }
  static std::string refusal(const Json& body) {
    const Answer answer = server_->post("/v1/chat/completions", body);
    EXPECT_EQ(answer.status, 400) << body;
    return answer.status == 400 && answer.json["error"]["param"].is_string() ? answer.json["error"]["param"] : "taken";
  }

  static std::unique_ptr<ChatModel> model_;
  static std::unique_ptr<Served> server_;
};
std::unique_ptr<ChatModel> ChatCompletions::model_;
std::unique_ptr<Served> ChatCompletions::server_;

Json said(const Json& content, const char* role = "user") { return {{{"role", role}, {"content", content}}}; }

TEST_F(ChatCompletions, MessagesComeInManyShapes) {
  EXPECT_EQ(prompt_tokens(said("abc")), 5);  // n abc <a>
  EXPECT_EQ(prompt_tokens(said(Json{{{"type", "text"}, {"text", "ab"}}, {{"type", "text"}, {"text", "c"}}})), 5);
  EXPECT_EQ(prompt_tokens(said(nullptr, "assistant")), 2);
  EXPECT_EQ(prompt_tokens({{{"role", "developer"}, {"content", "ab"}}, {{"role", "user"}, {"content", "c"}}}), 7);
  EXPECT_EQ(refusal(request(said(Json{{{"type", "image_url"}, {"image_url", "x"}}}))), "messages[0].content[0].type");
  EXPECT_EQ(refusal(request(said(3))), "messages[0].content");
  EXPECT_EQ(refusal(request({{{"role", "user"}}})), "messages[0].content");
  EXPECT_EQ(refusal(request(Json::array())), "messages");
  EXPECT_EQ(refusal(request({{{"content", "abc"}}})), "messages[0].role");
}

TEST_F(ChatCompletions, TheTemplateHearsOfItsArguments) {
  Json body = request(said("abc"));
  body["chat_template_kwargs"] = {{"word", "hij"}};
  EXPECT_EQ(complete(body)["usage"]["prompt_tokens"], 8);
}

/// "<a>" in what a user says is not the token of that name; its characters are not even in this vocabulary.
TEST_F(ChatCompletions, SpecialTokensThatAUserSpellsAreText) {
  EXPECT_EQ(refusal(request(said("ab<a>c"))), "messages");
  EXPECT_EQ(server_->post("/v1/completions", {{"prompt", "ab<a>c"}}).status, 400);
  const Served lenient({"-m", "m=" + model_->path(), "--special-tokens"});
  EXPECT_EQ(lenient.post("/v1/chat/completions", request(said("ab<a>c"))).json["usage"]["prompt_tokens"], 6);
  EXPECT_EQ(lenient.post("/v1/completions", {{"prompt", "ab<a>c"}}).json["usage"]["prompt_tokens"], 4);
}

TEST_F(ChatCompletions, AStreamBeginsWithTheRoleAndBringsTheSameText) {
  const Json body = request(said("abc"));
  const Json whole = complete(body);
  EXPECT_EQ(whole["object"], "chat.completion");
  EXPECT_EQ(whole["choices"][0]["message"]["role"], "assistant");
  const Data lines = server_->stream("/v1/chat/completions", body);
  const Json first = Json::parse(lines.front());
  EXPECT_EQ(first["object"], "chat.completion.chunk");
  EXPECT_EQ(first["choices"][0]["delta"].dump(), R"({"role":"assistant","content":""})");
  EXPECT_TRUE(first["choices"][0]["finish_reason"].is_null());
  const Json last = Json::parse(lines[lines.size() - 2]);
  EXPECT_EQ(last["choices"][0]["delta"], Json::object());
  EXPECT_EQ(last["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(lines.back(), "[DONE]");
  EXPECT_EQ(streamed_text(lines), whole["choices"][0]["message"]["content"]);
}

TEST_F(ChatCompletions, LogprobsHaveTheirForm) {
  Json body = request(said("abc"));
  body["logprobs"] = true;
  body["temperature"] = 0;
  EXPECT_TRUE(complete(body)["choices"][0]["logprobs"]["content"][0]["top_logprobs"].empty());
  body["top_logprobs"] = 3;
  const Json whole = complete(body)["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(whole.size(), 8U);
  for (const Json& entry : whole) {
    ASSERT_EQ(entry["top_logprobs"].size(), 3U);
    EXPECT_EQ(entry["token"], entry["top_logprobs"][0]["token"]);
    EXPECT_EQ(entry["logprob"], entry["top_logprobs"][0]["logprob"]);
    EXPECT_EQ(entry["bytes"].size(), entry["token"].get<std::string>().size());
  }
  Json streamed = Json::array();
  for (const std::string& line : server_->stream("/v1/chat/completions", body)) {
    if (line == "[DONE]") continue;
    const Json chunk = Json::parse(line);
    const Json& logprobs = chunk["choices"][0]["logprobs"];
    if (!logprobs.is_null()) streamed.insert(streamed.end(), logprobs["content"].begin(), logprobs["content"].end());
  }
  EXPECT_EQ(streamed, whole);
}

TEST_F(ChatCompletions, WhatIsNotOfferedIsRefused) {
  const auto with = [](const char* field, const Json& value) {
    Json body = request(said("abc"));
    body[field] = value;
    return body;
  };
  EXPECT_EQ(refusal(with("top_logprobs", 3)), "top_logprobs");
  EXPECT_EQ(refusal(with("max_completion_tokens", 9)), "max_completion_tokens");
  EXPECT_EQ(refusal(with("modalities", {"text", "audio"})), "modalities");
  EXPECT_EQ(refusal(with("functions", {{{"name", "f"}}})), "functions");
  EXPECT_EQ(refusal(with("reasoning_effort", "high")), "reasoning_effort");
  EXPECT_EQ(refusal(with("messages", "abc")), "messages");
  EXPECT_EQ(complete(with("max_completion_tokens", 8))["usage"]["completion_tokens"], 8);
  EXPECT_EQ(complete(with("tools", Json::array()))["usage"]["completion_tokens"], 8);
}

TEST_F(ChatCompletions, WhatATemplateSaysNamesNoFile) {
  write_text_atomically(model_->path() + "/chat_template.jinja", "{{ messages[0].nothing.at.all }}");
  const Served server({"-m", "m=" + model_->path()});
  const Answer answer = server.post("/v1/chat/completions", request(said("abc")));
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.json.dump(), testing::AllOf(HasSubstr("m/chat_template.jinja"), testing::Not(HasSubstr("/tmp"))));
}

}  // namespace
}  // namespace gyre::chat_completions_test
