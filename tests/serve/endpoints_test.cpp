#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "cli/program.hpp"
#include "model_folder.hpp"
#include "serve/served.hpp"

namespace gyre::endpoints_test {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;

ModelSpec encoder_spec() {
  ModelSpec spec = small_spec();
  spec.encoder = true;
  return spec;
}

/// A model, and an encoder, behind one server.
class Endpoints : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    model_ = std::make_unique<ModelFolder>();
    write_text_atomically(model_->path() / "chat_template.jinja",
                          "{% for m in messages %}{{ m.content }}b{% endfor %}");
    encoder_ = std::make_unique<ModelFolder>(encoder_spec(), 5);
    server_ = std::make_unique<Served>(
        std::vector<std::string>{"-m", "m=" + model_->path().string(), "-m", "e=" + encoder_->path().string()});
  }
  static void TearDownTestSuite() {
    server_.reset();
    encoder_.reset();
    model_.reset();
  }

  static Json post(const std::string& path, Json body) {
    if (!body.contains("model")) body["model"] = "m";
    const Answer answer = server_->post(path, body);
    EXPECT_EQ(answer.status, 200) << answer.json;
    return answer.json;
  }
  static std::string refusal(const std::string& path, Json body) {
    if (!body.contains("model")) body["model"] = "m";
    const Answer answer = server_->post(path, body);
    EXPECT_EQ(answer.status, 400) << answer.json;
    return answer.status == 400 ? answer.json["error"]["param"].get<std::string>() : "taken";
  }

  static std::unique_ptr<ModelFolder> model_;
  static std::unique_ptr<ModelFolder> encoder_;
  static std::unique_ptr<Served> server_;
};
std::unique_ptr<ModelFolder> Endpoints::model_;
std::unique_ptr<ModelFolder> Endpoints::encoder_;
std::unique_ptr<Served> Endpoints::server_;

TEST_F(Endpoints, TokensGoThereAndBack) {
  EXPECT_EQ(post("/tokenize", {{"content", "abc"}})["tokens"], Json({1, 2, 3}));
  EXPECT_EQ(post("/tokenize", {{"prompt", "abc"}, {"add_special_tokens", false}})["count"], 3);
  EXPECT_EQ(post("/tokenize", {{"content", "ab"}, {"with_pieces", true}})["tokens"][1].dump(),
            R"({"id":2,"piece":"b"})");
  const Json text = post("/detokenize", {{"tokens", {1, 2, 0, 3}}});
  EXPECT_EQ(text["content"], "ab c");
  EXPECT_EQ(text["prompt"], "ab c");
  EXPECT_EQ(refusal("/detokenize", {{"tokens", {16}}}), "tokens");
  EXPECT_EQ(refusal("/tokenize", Json::object()), "content");
  EXPECT_EQ(server_->get("/tokenizer_info?model=m").json["vocab_size"], 16);
  EXPECT_TRUE(server_->get("/tokenizer_info?model=m").json.contains("eos_token"));
  EXPECT_EQ(server_->get("/tokenizer_info").status, 400);  // there are two models
}

TEST_F(Endpoints, ATemplateIsApplied) {
  const Json messages = {{{"role", "user"}, {"content", "ac"}}, {{"role", "assistant"}, {"content", "d"}}};
  EXPECT_EQ(post("/apply-template", {{"messages", messages}})["prompt"], "acbdb");
}

TEST_F(Endpoints, LlamaCppsOwnCompletionWritesTheSameText) {
  const Json body = {{"prompt", "abc"}, {"n_predict", 9}, {"temperature", 0}, {"ignore_eos", true}};
  const Json native = post("/completion", body);
  const Json open =
      post("/v1/completions", {{"prompt", "abc"}, {"max_tokens", 9}, {"temperature", 0}, {"ignore_eos", true}});
  EXPECT_EQ(native["content"], open["choices"][0]["text"]);
  EXPECT_EQ(native["tokens_predicted"], 9);
  EXPECT_EQ(native["tokens_evaluated"], 3);
  EXPECT_EQ(native["stop_type"], "limit");
  Json asked = body;
  asked["model"] = "m";
  const Data lines = server_->stream("/completion", asked);
  std::string text;
  for (const std::string& line : lines) text += Json::parse(line)["content"].get<std::string>();
  EXPECT_EQ(text, native["content"]);
  EXPECT_EQ(Json::parse(lines.back())["stop"], true);
  EXPECT_EQ(Json::parse(lines.front())["stop"], false);
  EXPECT_EQ(refusal("/completion", {{"prompt", {"a", "b"}}}), "prompt");
  EXPECT_EQ(refusal("/completion", {{"prompt", "a"}, {"n_probs", 3}}), "n_probs");
}

TEST_F(Endpoints, VectorsAreThoseOfTheCommandLine) {
  write_text_atomically(encoder_->beside("texts"), "abc\nde fgh");
  const ProgramRun run =
      run_gyre({"embed", "-m", encoder_->path().string(), "--text", encoder_->beside("texts").string()});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json told = Json::parse(run.out.substr(0, run.out.find('\n')));
  Json body = {{"model", "e"}, {"input", {"abc", "de fgh", "a", "b", "c", "d"}}};
  const Json answer = post("/v1/embeddings", body);
  ASSERT_EQ(answer["data"].size(), 6U);
  const auto vector = answer["data"][0]["embedding"].get<std::vector<float>>();
  EXPECT_EQ(vector, told["embedding"].get<std::vector<float>>());
  EXPECT_EQ(answer["data"][5]["index"], 5);
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 13);
  body["encoding_format"] = "base64";
  body["input"] = "abc";
  const std::string text = post("/v1/embeddings", body)["data"][0]["embedding"];
  ASSERT_EQ(text.size(), 88U);  // 64 bytes
  // The first three bytes are in the first four digits.
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::uint32_t bits = 0;
  for (int i = 0; i < 4; ++i)
    bits = bits << 6U | static_cast<std::uint32_t>(digits.find(text[static_cast<std::size_t>(i)]));
  std::uint32_t first = 0;
  std::memcpy(&first, vector.data(), sizeof(first));
  EXPECT_EQ(bits, (first & 0xffU) << 16U | (first & 0xff00U) | (first >> 16U & 0xffU));
  EXPECT_TRUE(text.ends_with("==") && text[85] != '=');
}

TEST_F(Endpoints, VectorsOfWhatIsNoTextAreRefused) {
  EXPECT_EQ(refusal("/v1/embeddings", {{"input", {{1, 2}}}}), "input[0]");
  EXPECT_EQ(refusal("/v1/embeddings", {{"input", {"a", ""}}}), "input[1]");
  EXPECT_EQ(refusal("/v1/embeddings", {{"input", Json::array()}}), "input");
  EXPECT_EQ(refusal("/v1/embeddings", {{"input", "xyz"}}), "input");
  EXPECT_EQ(refusal("/v1/embeddings", {{"input", "a"}, {"dimensions", 8}}), "dimensions");
  EXPECT_EQ(refusal("/v1/embeddings", {{"input", "a"}, {"encoding_format", "int8"}}), "encoding_format");
  EXPECT_EQ(refusal("/v1/completions", {{"model", "e"}, {"prompt", "abc"}}), "model");
  EXPECT_EQ(post("/v1/embeddings", {{"input", "a"}})["data"][0]["embedding"].size(), 16U);  // of a decoder
}

TEST_F(Endpoints, TheServerTellsWhatItDoes) {
  post("/v1/completions",
       {{"prompt", "abc"}, {"max_tokens", 5}, {"ignore_eos", true}, {"gyre", {{"exit", "fixed:loops=1"}}}});
  const auto metrics = server_->client().Get("/metrics");
  EXPECT_THAT(metrics->get_header_value("Content-Type"), HasSubstr("version=0.0.4"));
  for (const char* line :
       {"# TYPE llamacpp:tokens_predicted_total counter\n", "\ngyre:requests_total ",
        "\ngyre:loops_saved_total{model=\"m\",group=\"loop a\"} ", "\nvllm:num_requests_running 0\n"}) {
    EXPECT_THAT(metrics->body, HasSubstr(line));
  }
  for (const char* name : {"vllm:time_to_first_token_seconds", "vllm:time_per_output_token_seconds",
                           "vllm:e2e_request_latency_seconds", "vllm:request_generation_tokens"}) {
    EXPECT_THAT(metrics->body, HasSubstr(fmt::format("# TYPE {} histogram\n", name)));
    EXPECT_THAT(metrics->body, HasSubstr(fmt::format("\n{}_bucket{{le=\"+Inf\"}} ", name)));
  }
  EXPECT_EQ(server_->get("/slots").json.size(), 16U);
  EXPECT_EQ(server_->get("/props").json["total_slots"], 16);
}

/// By value, of a server that has served one request.
TEST_F(Endpoints, HistogramsCountWhatWasServed) {
  const Served server({"-m", "m=" + model_->path().string()});
  const auto value = [&](const std::string& name) {
    const std::string text = server.client().Get("/metrics")->body;
    const std::size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1.0 : std::stod(text.substr(at + name.size() + 2));
  };
  EXPECT_EQ(value("vllm:request_generation_tokens_count"), 0);
  const Json body = {{"prompt", "abcd"}, {"max_tokens", 5}, {"ignore_eos", true}};
  EXPECT_EQ(server.post("/v1/completions", body).status, 200);
  EXPECT_EQ(value("vllm:request_prompt_tokens_sum"), 4);
  EXPECT_EQ(value("vllm:request_prompt_tokens_bucket{le=\"2\"}"), 0);
  EXPECT_EQ(value("vllm:request_prompt_tokens_bucket{le=\"5\"}"), 1);
  EXPECT_EQ(value("vllm:request_generation_tokens_sum"), 5);
  EXPECT_EQ(value("vllm:time_to_first_token_seconds_count"), 1);
  EXPECT_EQ(value("vllm:time_per_output_token_seconds_count"), 4);
  EXPECT_EQ(value("vllm:request_success_total{finished_reason=\"length\"}"), 1);
  EXPECT_EQ(value("llamacpp:tokens_predicted_total"), 5);
  EXPECT_EQ(value("gyre:kv_pages{model=\"m\"}"), 0);
  // Four tokens of a prompt go through each loop together, four that were drawn alone.
  EXPECT_EQ(value("gyre:loop_batch_width_bucket{le=\"1\"}"), 36);
  EXPECT_EQ(value("gyre:loop_batch_width_count"), 45);
  EXPECT_EQ(value("gyre:loop_batch_width_sum"), 72);
}

/// A text that goes on and on stands in /slots with its flight.
TEST_F(Endpoints, SlotsShowTheTextsThatRun) {
  ModelSpec spec = small_spec();
  spec.context = 1 << 20;
  const ModelFolder model(spec);
  const Served server({"-m", "m=" + model.path().string(), "--context", "1000000", "--parallel", "3"});
  httplib::Client client = server.client();
  bool seen = false;
  const Json body = {{"prompt", "abcde"}, {"max_tokens", 900'000}, {"ignore_eos", true}, {"stream", true}};
  const auto look = [&](const char* /*bytes*/, std::size_t /*count*/) {
    Json places = server.get("/slots").json;
    while (places[0].value("flight", Json()).is_null()) places = server.get("/slots").json;  // between two tokens
    EXPECT_EQ(places.size(), 3U);
    const Json& first = places[0];
    EXPECT_TRUE(first["is_processing"]);
    EXPECT_EQ(first["model"], "m");
    EXPECT_EQ(first["n_prompt_tokens"], 5);
    EXPECT_EQ(first["n_past"].get<int>(), 5 + first["n_decoded"].get<int>() - 1);
    EXPECT_GT(first["kv_pages"], 0);
    EXPECT_EQ(first["flight"]["position"], first["n_past"]);
    EXPECT_EQ(first["flight"]["tokens"], 1);
    EXPECT_EQ(places[1].dump(), R"({"id":1,"is_processing":false})");
    seen = true;
    return false;  // goes away
  };
  httplib::Request request;
  request.method = "POST";
  request.path = "/v1/completions";
  request.body = body.dump();
  request.content_receiver = [&](const char* bytes, std::size_t count, std::uint64_t, std::uint64_t) {
    return look(bytes, count);
  };
  client.send(request);
  EXPECT_TRUE(seen);
}

}  // namespace
}  // namespace gyre::endpoints_test
