#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <thread>

#include "base/random.hpp"
#include "cli/program.hpp"
#include "serve/served.hpp"

namespace gyre::completions_test {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;

const std::string kModels = std::string(GYRE_TEST_DIR) + "/../models/";

/// One server for all of these tests.
class Completions : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<Served>(
        std::vector<std::string>{"-m", kModels + "shakespeare", "-m", "sums=" + kModels + "arithmetic"});
  }
  static void TearDownTestSuite() { server_.reset(); }

  static Json request(const std::string& prompt, int tokens) {
    return {{"model", "shakespeare"}, {"prompt", prompt}, {"max_tokens", tokens}, {"seed", 7}};
  }
  static Json complete(const Json& body) {
    const Answer answer = server_->post("/v1/completions", body);
    EXPECT_EQ(answer.status, 200) << answer.json;
    return answer.json;
  }
  static std::string text_of(const Json& body) { return complete(body)["choices"][0]["text"]; }
  static std::string refusal(const Json& body) {
    const Answer answer = server_->post("/v1/completions", body);
    EXPECT_EQ(answer.status, 400) << body;
    if (answer.status != 400) return "taken";
    return answer.json["error"]["param"].is_null() ? "" : answer.json["error"]["param"].get<std::string>();
  }

  static std::unique_ptr<Served> server_;
};
std::unique_ptr<Served> Completions::server_;

TEST_F(Completions, WriteWhatTheCommandLineWrites) {
  const ProgramRun run = run_gyre({"generate", "-m", kModels + "shakespeare", "-p", "ROMEO:", "-n", "40", "--seed", "7",
                                   "--temperature", "1", "--json", "--arithmetic", "exact"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json told = Json::parse(run.out);
  const Json answer = complete(request("ROMEO:", 40));
  EXPECT_EQ(answer["choices"][0]["text"], told["text"]);
  EXPECT_EQ(answer["object"], "text_completion");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(answer["usage"]["completion_tokens"], 40);
  EXPECT_EQ(answer["usage"]["prompt_tokens"], told["prompt_tokens"]);
  EXPECT_EQ(answer["gyre"]["seed"], 7);
}

TEST_F(Completions, WriteItAsDeepAsTheCommandLine) {
  const std::string rule = "accel:tau=0.2,form=relative";
  const ProgramRun run = run_gyre({"generate", "-m", kModels + "shakespeare", "-p", "ROMEO:", "-n", "30", "--seed", "7",
                                   "--temperature", "1", "--json", "--arithmetic", "exact", "--exit", rule});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json told = Json::parse(run.out);
  Json body = request("ROMEO:", 30);
  body["gyre"] = {{"exit", rule}, {"tokens", true}};
  const Json answer = complete(body);
  EXPECT_EQ(answer["choices"][0]["text"], told["text"]);
  const Json& details = answer["choices"][0]["gyre"];
  ASSERT_EQ(details["loops"].size(), 30U);
  for (std::size_t i = 0; i < 30; ++i) {
    const std::vector<int> groups = details["loops"][i];
    EXPECT_EQ(groups[1] + groups[2] + groups[3], told["tokens"][i]["loops"]) << i;
  }
  EXPECT_EQ(answer["gyre"]["exit"], rule);
}

TEST_F(Completions, AreTheSameAloneAmongOthersCachedOrStreamed) {
  Json body = request("First Citizen:\nBefore we proceed any further, hear me speak.", 48);
  const std::string alone = text_of(body);
  EXPECT_EQ(streamed_text(server_->stream("/v1/completions", body)), alone);
  std::vector<std::string> texts(16);
  std::vector<std::thread> clients;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    clients.emplace_back([&, i] {
      Json mine = body;
      if (i % 2 == 1) mine = request(std::string(i, 'A') + " and", 30 + static_cast<int>(i));
      if (i % 4 == 1) mine["gyre"] = {{"exit", "accel:tau=0.3"}};
      texts[i] = i % 4 == 0 ? streamed_text(server_->stream("/v1/completions", mine)) : text_of(mine);
    });
  }
  for (std::thread& client : clients) client.join();
  for (std::size_t i = 0; i < texts.size(); i += 2) EXPECT_EQ(texts[i], alone) << i;
  EXPECT_GT(complete(body)["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
}

TEST_F(Completions, KeepKeysAndValuesAsTheCommandLineDoes) {
  const std::string latest = text_of(request("ROMEO:", 30));
  for (const char* policy : {"latest:ring=2", "last", "full"}) {
    const ProgramRun run = run_gyre({"generate", "-m", kModels + "shakespeare", "-p", "ROMEO:", "-n", "30", "--seed",
                                     "7", "--temperature", "1", "--json", "--arithmetic", "exact", "--kv", policy});
    ASSERT_EQ(run.status, 0) << run.err;
    const std::string told = Json::parse(run.out)["text"];
    Json body = request("ROMEO:", 30);
    body["gyre"] = {{"kv", policy}};
    for (int i = 0; i < 2; ++i) EXPECT_EQ(text_of(body), told) << policy;  // the second from the cache
    EXPECT_EQ(complete(body)["gyre"]["kv"], policy);
    const Served server({"-m", kModels + "shakespeare", "--kv", policy});
    EXPECT_EQ(server.post("/v1/completions", request("ROMEO:", 30)).json["choices"][0]["text"], told) << policy;
  }
  EXPECT_EQ(text_of(request("ROMEO:", 30)), latest);
}

/// Greedily, from the logits that the answer shows: penalties are of what was generated, not of the prompt, which is
/// full of a token that is wanted.
TEST_F(Completions, PenaltiesAreTakenFromWhatWasGenerated) {
  Json body = {{"model", "sums"},          {"prompt", "444444444444="}, {"max_tokens", 16},
               {"temperature", 0},         {"ignore_eos", true},        {"logprobs", 9},
               {"logit_bias", {{"7", 6}}},  // of "4"
               {"presence_penalty", 1.5},  {"frequency_penalty", 0.75}};
  const Json logprobs = complete(body)["choices"][0]["logprobs"];
  std::map<std::string, int> drawn;
  for (std::size_t i = 0; i < 16; ++i) {
    std::string best;
    double most = -1e9;
    for (const auto& [token, value] : logprobs["top_logprobs"][i].items()) {
      const int times = drawn[token];
      const double logit = value.get<double>() + (token == "4" ? 6 : 0) - (times > 0 ? 1.5 : 0) - 0.75 * times;
      if (logit > most) best = token;
      most = std::max(most, logit);
    }
    EXPECT_EQ(logprobs["tokens"][i], best) << i;
    ++drawn[best];
  }
  EXPECT_GT(drawn["4"], 1);
  EXPECT_GT(drawn.size(), 3U);
  body.erase("presence_penalty");
  body.erase("frequency_penalty");
  EXPECT_NE(complete(body)["choices"][0]["logprobs"]["tokens"], logprobs["tokens"]);
}

TEST_F(Completions, AStreamBringsChunksThenUsageIfAskedThenDone) {
  Json body = request("ROMEO:", 5);
  const Data lines = server_->stream("/v1/completions", body);
  ASSERT_GE(lines.size(), 3U);
  EXPECT_EQ(lines.back(), "[DONE]");
  const Json first = Json::parse(lines.front());
  for (const std::string& line : lines) {
    if (line == "[DONE]") continue;
    const Json chunk = Json::parse(line);
    EXPECT_EQ(chunk["id"], first["id"]);
    EXPECT_EQ(chunk["choices"].size(), 1U);
    EXPECT_FALSE(chunk.contains("usage"));
  }
  EXPECT_EQ(Json::parse(lines[lines.size() - 2])["choices"][0]["finish_reason"], "length");
  body["stream_options"] = {{"include_usage", true}};
  const Data counted = server_->stream("/v1/completions", body);
  const Json usage = Json::parse(counted[counted.size() - 2]);
  EXPECT_TRUE(usage["choices"].empty());
  EXPECT_EQ(usage["usage"]["completion_tokens"], 5);
  EXPECT_TRUE(Json::parse(counted.front())["usage"].is_null());
}

TEST_F(Completions, EndBeforeAStopTextHoweverItIsCut) {
  const std::string whole = text_of(request("ROMEO:", 60));
  for (const std::size_t at : {std::size_t{8}, std::size_t{21}, std::size_t{40}}) {
    Json body = request("ROMEO:", 60);
    const std::string stop = whole.substr(at, 6);
    body["stop"] = {stop, "never in it"};
    const std::string expected = whole.substr(0, whole.find(stop));
    const Json answer = complete(body);
    EXPECT_EQ(answer["choices"][0]["text"], expected);
    EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
    EXPECT_EQ(streamed_text(server_->stream("/v1/completions", body)), expected);
  }
}

TEST_F(Completions, SeveralPromptsAndTextsHaveTheirPlaces) {
  Json body = request("", 6);
  body["prompt"] = {"ROMEO:", "JULIET:"};
  body["n"] = 2;
  const Json answer = complete(body);
  ASSERT_EQ(answer["choices"].size(), 4U);
  EXPECT_EQ(answer["choices"][0]["text"], text_of(request("ROMEO:", 6)));
  EXPECT_EQ(answer["choices"][2]["text"], text_of(request("JULIET:", 6)));
  EXPECT_NE(answer["choices"][0]["text"], answer["choices"][1]["text"]);
  EXPECT_EQ(answer["choices"][3]["index"], 3);
  EXPECT_EQ(answer["usage"]["completion_tokens"], 24);
  const Data lines = server_->stream("/v1/completions", body);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(streamed_text(lines, i), answer["choices"][i]["text"]) << i;
}

TEST_F(Completions, TokensAreTakenAsTheyAre) {
  const Json by_text = complete({{"model", "sums"}, {"prompt", "3+4="}, {"max_tokens", 1}, {"temperature", 0}});
  EXPECT_EQ(by_text["choices"][0]["text"], "2");
  // The vocabulary is * + - 0 1 2 3 4 =.
  const Json by_ids =
      complete({{"model", "sums"}, {"prompt", {{6, 1, 7, 8}, {4, 1, 5, 8}}}, {"max_tokens", 1}, {"temperature", 0}});
  EXPECT_EQ(by_ids["usage"]["prompt_tokens"], 8);
  EXPECT_EQ(by_ids["choices"][0]["text"], by_text["choices"][0]["text"]);
}

/// What lm-evaluation-harness sends for log-likelihoods, and what it reads.
TEST_F(Completions, EchoScoresEveryTokenOfThePrompt) {
  const Json body = {{"model", "sums"},  {"prompt", {{6, 1, 7, 8, 4}, {4, 1, 5}}},
                     {"temperature", 0}, {"max_tokens", 1},
                     {"logprobs", 1},    {"seed", 1234},
                     {"echo", true}};
  const Json answer = complete(body);
  for (std::size_t i = 0; i < 2; ++i) {
    const Json& choice = answer["choices"][i];
    const Json& scores = choice["logprobs"];
    const std::size_t count = body["prompt"][i].size() + 1;
    ASSERT_EQ(scores["tokens"].size(), count);
    ASSERT_EQ(scores["token_logprobs"].size(), count);
    ASSERT_EQ(scores["top_logprobs"].size(), count);
    ASSERT_EQ(scores["text_offset"].size(), count);
    EXPECT_TRUE(scores["token_logprobs"][0].is_null());
    EXPECT_TRUE(scores["top_logprobs"][0].is_null());
    for (std::size_t t = 1; t < count; ++t) {
      const Json& own = scores["token_logprobs"][t];
      const std::string token = scores["tokens"][t];
      EXPECT_EQ(scores["top_logprobs"][t][token], own);
      for (const auto& [other, logprob] : scores["top_logprobs"][t].items()) EXPECT_LE(own, logprob) << other;
      EXPECT_LE(scores["top_logprobs"][t].size(), 2U);
      EXPECT_EQ(scores["text_offset"][t], t);
    }
    // The token that was drawn greedily is the likeliest.
    EXPECT_EQ(scores["top_logprobs"][count - 1].size(), 1U);
  }
  EXPECT_EQ(answer["choices"][0]["text"].get<std::string>().substr(0, 5), "3+4=1");
}

TEST_F(Completions, AScoreIsThatOfTheTokenWhenItIsDrawn) {
  Json body = {{"model", "sums"}, {"prompt", "3+4"}, {"max_tokens", 3}, {"temperature", 0}, {"logprobs", 2}};
  const Json drawn = complete(body);
  const std::string text = drawn["choices"][0]["text"];
  body["prompt"] = "3+4" + text;
  body["echo"] = true;
  body["max_tokens"] = 0;
  const Json scored = complete(body);
  ASSERT_EQ(scored["choices"][0]["logprobs"]["tokens"].size(), 6U);
  EXPECT_EQ(scored["choices"][0]["text"], "3+4" + text);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(scored["choices"][0]["logprobs"]["token_logprobs"][3 + i],
              drawn["choices"][0]["logprobs"]["token_logprobs"][i]);
    EXPECT_EQ(scored["choices"][0]["logprobs"]["top_logprobs"][3 + i],
              drawn["choices"][0]["logprobs"]["top_logprobs"][i]);
    EXPECT_EQ(scored["choices"][0]["logprobs"]["text_offset"][3 + i],
              drawn["choices"][0]["logprobs"]["text_offset"][i].get<int>() + 3);
  }
}

TEST_F(Completions, StreamedLogprobsAreThoseOfTheWhole) {
  Json body = {{"model", "sums"},  {"prompt", "3+4"}, {"max_tokens", 4},
               {"temperature", 0}, {"logprobs", 1},   {"echo", true}};
  const Json whole = complete(body)["choices"][0]["logprobs"];
  Json joined = {{"tokens", Json::array()},
                 {"token_logprobs", Json::array()},
                 {"top_logprobs", Json::array()},
                 {"text_offset", Json::array()}};
  for (const std::string& line : server_->stream("/v1/completions", body)) {
    if (line == "[DONE]") continue;
    const Json logprobs = Json::parse(line)["choices"][0]["logprobs"];
    if (logprobs.is_null()) continue;
    for (auto& [key, list] : joined.items()) list.insert(list.end(), logprobs[key].begin(), logprobs[key].end());
  }
  EXPECT_EQ(joined, whole);
}

TEST_F(Completions, WhatCannotBeIsRefusedByTheNameOfItsField) {
  const auto with = [](const char* field, const Json& value) {
    Json body = {{"model", "sums"}, {"prompt", "3+4="}, {"max_tokens", 1}};
    body[field] = value;
    return body;
  };
  EXPECT_EQ(refusal(with("temperature", 101)), "temperature");
  EXPECT_EQ(refusal(with("temperature", "hot")), "temperature");
  EXPECT_EQ(refusal(with("top_p", 1.5)), "top_p");
  EXPECT_EQ(refusal(with("n", 0)), "n");
  EXPECT_EQ(refusal(with("max_tokens", -2)), "max_tokens");
  EXPECT_EQ(refusal(with("stop", {"a", 3})), "stop[1]");
  EXPECT_EQ(refusal(with("stop", "")), "stop[0]");
  EXPECT_EQ(refusal(with("logprobs", 101)), "logprobs");
  EXPECT_EQ(refusal(with("suffix", "end")), "suffix");
  EXPECT_EQ(refusal(with("presence_penalty", 2.5)), "presence_penalty");
  EXPECT_EQ(refusal(with("min_tokens", 1)), "min_tokens");
  EXPECT_EQ(refusal(with("gyre", {{"kv", "oldest"}})), "gyre.kv");
  EXPECT_EQ(refusal(with("tempreature", 1)), "tempreature");
  EXPECT_EQ(refusal(with("stream_options", {{"include_usage", true}})), "stream_options");
  EXPECT_EQ(refusal(with("logit_bias", {{"99", 1}})), "logit_bias");
  EXPECT_EQ(refusal(with("prompt", {1, 9})), "prompt");
  EXPECT_EQ(refusal(with("prompt", {"3+4", 5})), "prompt[1]");
  EXPECT_EQ(refusal(with("prompt", "x")), "prompt");  // a character that the vocabulary cannot spell
  EXPECT_EQ(refusal(with("prompt", "")), "prompt");
  EXPECT_EQ(refusal(with("prompt", Json::array())), "prompt");
  EXPECT_EQ(refusal(with("prompt", std::string(65, '1'))), "prompt");
  EXPECT_EQ(refusal(with("gyre", {{"loops", 0}})), "gyre.loops");
  EXPECT_EQ(refusal(with("gyre", {{"loops", 65}})), "gyre.loops");
  EXPECT_EQ(refusal(with("gyre", {{"exit", "no such rule"}})), "gyre.exit");
  EXPECT_EQ(refusal(with("gyre", {{"exit", "calibrated:/etc/passwd"}})), "gyre.exit");
  EXPECT_EQ(refusal(with("gyre", {{"exit", "head:file=/etc/passwd"}})), "gyre.exit");
  EXPECT_EQ(refusal(with("gyre", {{"exit", "random:file=/etc/passwd"}})), "gyre.exit");
  EXPECT_EQ(refusal(with("gyre", {{"depth", 1}})), "gyre.depth");
  EXPECT_EQ(refusal({{"model", "sums"}}), "prompt");
  EXPECT_EQ(refusal({{"prompt", "3"}}), "model");
}

TEST_F(Completions, FieldsThatChangeNothingAreNoMistake) {
  const Json answer = complete({{"model", "sums"},
                                {"prompt", "3+4="},
                                {"max_tokens", 1},
                                {"temperature", 0},
                                {"user", "me"},
                                {"presence_penalty", 0},
                                {"frequency_penalty", 0.0},
                                {"suffix", nullptr},
                                {"best_of", 1},
                                {"logit_bias", Json::object()},
                                {"stop", nullptr}});
  EXPECT_EQ(answer["choices"][0]["text"], "2");
}

TEST_F(Completions, APromptThatIsTooLongSaysHowMuchRoomThereIs) {
  const Answer answer =
      server_->post("/v1/completions", {{"model", "sums"}, {"prompt", std::string(65, '1')}, {"max_tokens", 1}});
  EXPECT_EQ(answer.json["error"]["code"], "context_length_exceeded");
  EXPECT_THAT(answer.json["error"]["message"].get<std::string>(),
              HasSubstr("65 tokens are more than the context of 64"));
}

TEST_F(Completions, ATextEndsWhereTheContextDoes) {
  const Json answer = complete({{"model", "sums"},
                                {"prompt", std::string(60, '1')},
                                {"max_tokens", 100},
                                {"temperature", 0},
                                {"ignore_eos", true}});
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(answer["usage"]["completion_tokens"], 5);
}

TEST_F(Completions, AModelThatIsNotThereIsNamed) {
  const Answer answer = server_->post("/v1/completions", {{"model", "gpt-4"}, {"prompt", "3"}});
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.json["error"]["code"], "model_not_found");
  EXPECT_THAT(answer.json["error"]["message"].get<std::string>(), HasSubstr("shakespeare, sums"));
}

TEST_F(Completions, ANameOfAnyBytesIsQuotedWhole) {
  const std::string name("a\0b", 3);
  const Answer answer = server_->post("/v1/completions", {{"model", name}, {"prompt", "3"}});
  EXPECT_EQ(answer.status, 404);
  EXPECT_THAT(answer.json["error"]["message"].get<std::string>(), HasSubstr("\"" + name + "\""));
  for (const char* path : {"/v1/models/a%00b", "/v1/models/a%0Ab"}) {
    const Answer shown = server_->get(path);
    EXPECT_EQ(shown.status, 404) << path;
    EXPECT_EQ(shown.json["error"]["code"], "model_not_found") << path;
    EXPECT_THAT(shown.json["error"]["message"].get<std::string>(), HasSubstr("b\" here")) << path;
  }
}

/// Bodies that were whole, with fields of any kind in any place, or bytes that flipped: an answer or a named mistake.
TEST_F(Completions, BrokenBodiesAreMistakesOfTheClient) {
  const Json odd[] = {nullptr,
                      true,
                      0,
                      -1,
                      1e300,
                      -0.5,
                      "",
                      "a",
                      Json::array(),
                      Json::object(),
                      {1, 2},
                      {{"a", 1}},
                      {{1, {2}}},
                      std::string(3000, 'x'),
                      4294967296,
                      {"", nullptr},
                      {{"type", "json_object"}}};
  const Json whole = {{"model", "sums"},
                      {"prompt", "1+2="},
                      {"max_tokens", 2},
                      {"temperature", 1},
                      {"top_p", 0.9},
                      {"top_k", 3},
                      {"min_p", 0.1},
                      {"n", 1},
                      {"stop", {"3"}},
                      {"logprobs", 1},
                      {"echo", false},
                      {"seed", 3},
                      {"logit_bias", {{"3", 1}}},
                      {"gyre", {{"loops", 2}, {"exit", "fixed"}}},
                      {"stream_options", nullptr},
                      {"response_format", {{"type", "text"}}},
                      {"guided_json", nullptr},
                      {"structured_outputs", nullptr},
                      {"best_of", 1},
                      {"user", "me"},
                      {"messages", nullptr}};
  const std::vector<std::string> paths = {"/v1/completions", "/v1/chat/completions", "/completion",    "/v1/embeddings",
                                          "/tokenize",       "/detokenize",          "/apply-template"};
  httplib::Client client = server_->client();
  client.set_keep_alive(true);
  Random random(3);
  int refused = 0;
  for (int round = 0; round < 1000; ++round) {
    Json body = whole;
    for (std::uint64_t changes = random.below(3) + 1; changes > 0; --changes) {
      auto field = body.begin();
      std::advance(field, static_cast<std::ptrdiff_t>(random.below(body.size())));
      field.value() = odd[random.below(std::size(odd))];
    }
    std::string text = body.dump();
    if (random.below(4) == 0) text[random.below(text.size())] = static_cast<char>(random.below(256));
    const auto answer =
        client.Post(paths[random.below(10) < 7 ? 0 : random.below(paths.size())], text, "application/json");
    ASSERT_TRUE(answer) << text;
    ASSERT_LT(answer->status, 500) << text << answer->body;
    if (answer->status < 400) continue;
    ++refused;
    EXPECT_GT(Json::parse(answer->body)["error"]["message"].get<std::string>().size(), 10U);
  }
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace gyre::completions_test
