#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "cli/program.hpp"
#include "model_folder.hpp"
#include "serve/served.hpp"

namespace gyre::server_test {
namespace {

using Json = nlohmann::ordered_json;
using namespace std::chrono_literals;
using testing::HasSubstr;

/// A model with room for texts that keep the server busy until they are no longer wanted.
ModelSpec roomy_spec() {
  ModelSpec spec = small_spec();
  spec.context = 1 << 20;
  return spec;
}

std::vector<std::string> words(const ModelFolder& model, const std::vector<std::string>& more = {}) {
  std::vector<std::string> all = {"-m", "m=" + model.path().string(), "--context", "1000000"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

Json endless(bool stream = false) {
  return {{"prompt", "abc"}, {"max_tokens", 900'000}, {"ignore_eos", true}, {"stream", stream}};
}
Json brief() { return {{"prompt", "abc"}, {"max_tokens", 2}}; }

/// A socket of our own, which can leave whenever it likes.
class RawClient {
 public:
  explicit RawClient(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
      throw std::runtime_error("cannot connect");
    }
  }
  ~RawClient() { leave(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void send(const std::string& text) const { ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL); }
  void post(const std::string& path, const Json& body) const {
    const std::string text = body.dump();
    send("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text);
  }
  /// What comes until `enough` says so, or the server closes.
  std::string read_until(const std::function<bool(const std::string&)>& enough) const {
    std::string text;
    std::array<char, 4096> buffer{};
    while (!enough(text)) {
      const ssize_t got = ::recv(socket_, buffer.data(), buffer.size(), 0);
      if (got <= 0) break;
      text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return text;
  }
  std::string read_all() const {
    return read_until([](const std::string&) { return false; });
  }
  void leave() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }

 private:
  int socket_;
};

TEST(Server, AClientThatLeavesFreesItsPlaceWhileItDecodes) {
  const ModelFolder model(roomy_spec());
  const Served server(words(model, {"--parallel", "1"}));
  for (const bool stream : {true, false}) {
    RawClient client(server.port());
    client.post("/v1/completions", endless(stream));
    if (stream) {
      client.read_until([](const std::string& text) { return text.find("data: ") != std::string::npos; });
    } else {
      std::this_thread::sleep_for(100ms);  // it may leave earlier too, then while it waits
    }
    client.leave();
    EXPECT_EQ(server.post("/v1/completions", brief()).status, 200);
  }
}

TEST(Server, AClientThatLeavesTheQueueTakesNobodyWithIt) {
  const ModelFolder model(roomy_spec());
  const Served server(words(model, {"--parallel", "1"}));
  RawClient first(server.port());
  first.post("/v1/completions", endless(true));
  const auto begun = [](const std::string& text) { return text.find("data: ") != std::string::npos; };
  first.read_until(begun);
  {
    RawClient second(server.port());
    second.post("/v1/completions", endless(false));
    std::this_thread::sleep_for(50ms);
  }
  std::size_t chunks = 0;
  first.read_until([&](const std::string& text) {
    chunks = 0;
    for (std::size_t at = text.find("data: "); at != std::string::npos; at = text.find("data: ", at + 1)) ++chunks;
    return chunks >= 20;
  });
  EXPECT_GE(chunks, 20U);
  first.leave();
  EXPECT_EQ(server.post("/v1/completions", brief()).status, 200);
}

TEST(Server, AClientThatLeavesInItsPromptFreesItsPlace) {
  const ModelFolder model(roomy_spec());
  const Served server(words(model, {"--parallel", "1", "--chunk", "16"}));
  {
    RawClient client(server.port());
    Json body = brief();
    std::string prompt;
    for (int i = 0; i < 40'000; ++i) prompt += "abc def ";
    body["prompt"] = prompt;
    client.post("/v1/completions", body);
    std::this_thread::sleep_for(200ms);
  }
  EXPECT_EQ(server.post("/v1/completions", brief()).status, 200);
}

TEST(Server, SaysWhenItsQueueIsFull) {
  const ModelFolder model(roomy_spec());
  const Served server(words(model, {"--parallel", "1", "--queue", "1"}));
  const auto begun = [](const std::string& text) { return text.find("data: ") != std::string::npos; };
  RawClient running(server.port());
  running.post("/v1/completions", endless(true));
  running.read_until(begun);
  RawClient waiting(server.port());
  waiting.post("/v1/completions", endless(true));
  waiting.read_until([](const std::string& text) { return text.find("\r\n\r\n") != std::string::npos; });
  const Answer answer = server.post("/v1/completions", brief());
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.json["error"]["type"], "rate_limit_error");
  EXPECT_TRUE(answer.headers.contains("Retry-After"));
  running.leave();
  waiting.leave();
}

/// Whose answer nobody reads does not keep others waiting, nor the server from its work.
TEST(Server, ASlowReaderStallsNobody) {
  const ModelFolder model(roomy_spec());
  const Served server(words(model));
  RawClient slow(server.port());
  Json body = endless(true);
  body["gyre"] = {{"tokens", true}};
  slow.post("/v1/completions", body);
  std::this_thread::sleep_for(200ms);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(server.post("/v1/completions", brief()).status, 200);
}

TEST(Server, EndsWellWhenItIsToldTo) {
  const ModelFolder model(roomy_spec());
  for (const int signal : {SIGTERM, SIGINT}) {
    const Served server(words(model, {"--drain", "0"}));
    EXPECT_EQ(server.get("/health").json["status"], "ok");
    RawClient client(server.port());
    client.post("/v1/completions", endless(true));
    client.read_until([](const std::string& text) { return text.find("data: ") != std::string::npos; });
    server.signal(signal);
    EXPECT_THAT(client.read_all(), HasSubstr("the server is going down"));  // in the stream
    EXPECT_EQ(server.wait(), 0) << server.log();
  }
}

TEST(Server, AnswersWhatIsUnderWayBeforeItEnds) {
  const ModelFolder model(roomy_spec());
  const Served server(words(model));
  RawClient client(server.port());
  Json body = endless(true);
  body["max_tokens"] = 300;
  client.post("/v1/completions", body);
  client.read_until([](const std::string& text) { return text.find("data: ") != std::string::npos; });
  server.signal(SIGTERM);
  EXPECT_THAT(client.read_all(), HasSubstr("data: [DONE]"));
  EXPECT_EQ(server.wait(), 0) << server.log();
}

TEST(Server, AnswersWhoConnectedBeforeItWasStopped) {
  const ModelFolder model(roomy_spec());
  const Served server(words(model));
  const RawClient early(server.port());
  ASSERT_EQ(server.get("/health").status, 200);  // whoever connected before has been let in
  server.signal(SIGTERM);
  const auto takes_others = [&] {
    try {
      const RawClient other(server.port());
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  };
  while (takes_others()) {
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(200));  // connections look around every 50
  early.post("/v1/completions", brief());
  EXPECT_THAT(early.read_all(), HasSubstr("200 OK"));
  EXPECT_EQ(server.wait(), 0) << server.log();
}

TEST(Server, AsksForAKeyWhereItHasOne) {
  const ModelFolder model;
  const std::string file = model.beside("keys").string();
  write_text_atomically(file, "alpha\nbeta\n");
  const Served server({"-m", "m=" + model.path().string(), "--api-key-file", file});
  EXPECT_EQ(server.post("/v1/completions", brief()).status, 401);
  EXPECT_EQ(server.post("/v1/completions", brief(), {{"Authorization", "Bearer alph"}}).status, 401);
  EXPECT_EQ(server.post("/v1/completions", brief(), {{"Authorization", "Bearer beta"}}).status, 200);
  EXPECT_EQ(server.post("/v1/completions", brief(), {{"X-Api-Key", "alpha"}}).status, 200);
  EXPECT_EQ(server.get("/health").status, 200);
  EXPECT_EQ(server.get("/v1/models").status, 200);
  const Answer wrong = server.post("/v1/completions", brief());
  EXPECT_EQ(wrong.json["error"]["code"], "invalid_api_key");
}

class SmallServer : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    model_ = std::make_unique<ModelFolder>();
    server_ =
        std::make_unique<Served>(std::vector<std::string>{"-m", "m=" + model_->path().string(), "--max-body", "1"});
  }
  static void TearDownTestSuite() {
    server_.reset();
    model_.reset();
  }
  /// The status of what is sent as it is.
  static std::string send(const std::string& text) {
    const RawClient client(server_->port());
    client.send(text);
    const std::string answer = client.read_until([](const std::string& so_far) {
      return so_far.find("\r\n") != std::string::npos && so_far.find('}') != std::string::npos;
    });
    return answer.substr(0, answer.find("\r\n"));
  }

  static std::unique_ptr<ModelFolder> model_;
  static std::unique_ptr<Served> server_;
};
std::unique_ptr<ModelFolder> SmallServer::model_;
std::unique_ptr<Served> SmallServer::server_;

TEST_F(SmallServer, ListsItsModels) {
  for (const char* path : {"/v1/models", "/models", "/v1/models/"}) {
    const Answer answer = server_->get(path);
    EXPECT_EQ(answer.json["object"], "list");
    EXPECT_EQ(answer.json["data"][0]["id"], "m");
    EXPECT_THAT(answer.json.dump(), testing::Not(HasSubstr("tmp")));  // no path of the machine
  }
  EXPECT_EQ(server_->get("/v1/models/m").json["id"], "m");
  EXPECT_EQ(server_->get("/v1/models/other").status, 404);
}

TEST_F(SmallServer, WhatIsNotThereIsSaid) {
  EXPECT_EQ(server_->get("/v1/nothing").status, 404);
  EXPECT_EQ(server_->get("/nothing").json["error"]["type"], "invalid_request_error");
  EXPECT_EQ(server_->post("/", {}).status, 405);
  EXPECT_EQ(server_->get("/v1/completions").status, 405);
  EXPECT_EQ(server_->post("/v1/models", {}).status, 405);
  EXPECT_EQ(server_->post_text("/v1/" + std::string(4000, 'a'), "{}").status, 404);
}

TEST_F(SmallServer, ItsPageMayRunItsOwnScriptAndAskThisServerAlone) {
  const auto page = server_->client().Get("/");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200);
  EXPECT_EQ(page->get_header_value("Content-Type"), "text/html; charset=utf-8");
  const std::string policy = page->get_header_value("Content-Security-Policy");
  EXPECT_THAT(policy, testing::StartsWith("default-src 'none'; script-src 'nonce-"));
  EXPECT_THAT(policy, HasSubstr("connect-src 'self'"));
  EXPECT_THAT(policy, testing::Not(HasSubstr("unsafe")));
  const std::size_t at = policy.find("nonce-") + 6;
  const std::string nonce = policy.substr(at, policy.find('\'', at) - at);
  EXPECT_EQ(nonce.size(), 32U);
  EXPECT_THAT(page->body, HasSubstr("<script nonce=\"" + nonce + "\">"));
  EXPECT_THAT(page->body, HasSubstr("<style nonce=\"" + nonce + "\">"));
  EXPECT_THAT(page->body, testing::Not(testing::ContainsRegex("GYRE_[A-Z0-9_]+|src=\"http|href=\"http")));
  EXPECT_NE(server_->client().Get("/")->get_header_value("Content-Security-Policy"), policy);
}

TEST_F(SmallServer, BodiesThatAreNoneAreRefused) {
  for (const char* body :
       {"", "{", "[]", "3", "\"a\"", "{\"prompt\": \"\xff\"}", "{\"prompt\": \"\\ud800\"}", "null"}) {
    EXPECT_EQ(server_->post_text("/v1/completions", body).status, 400) << body;
  }
  const std::string head = "POST /v1/completions HTTP/1.1\r\nHost: x\r\n";
  EXPECT_EQ(send(head + "\r\n"), "HTTP/1.1 411 Length Required");
  EXPECT_EQ(send(head + "Content-Length: abc\r\n\r\n"), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(send(head + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(send(head + "Content-Length: 2000000\r\n\r\n"), "HTTP/1.1 413 Payload Too Large");
  EXPECT_EQ(send(head + "Content-Length: 2\r\nContent-Encoding: gzip\r\n\r\nab"),
            "HTTP/1.1 415 Unsupported Media Type");
  EXPECT_EQ(send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n" +
                 std::string(0x200000, 'a') + "\r\n0\r\n\r\n"),
            "HTTP/1.1 413 Payload Too Large");
  EXPECT_EQ(send("nonsense\r\n\r\n"), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(server_->post("/v1/completions", brief()).status, 200);
}

TEST_F(SmallServer, PagesOfOtherOriginsMayNotAsk) {
  const Answer local = server_->post("/v1/completions", brief(), {{"Origin", "http://localhost:3000"}});
  EXPECT_EQ(local.status, 200);
  EXPECT_EQ(local.headers.find("Access-Control-Allow-Origin")->second, "http://localhost:3000");
  EXPECT_EQ(server_->post("/v1/completions", brief(), {{"Origin", "http://evil.org"}}).status, 403);
  const auto preflight = server_->client().Options("/v1/completions", {{"Origin", "http://localhost:3000"}});
  EXPECT_EQ(preflight->status, 200);
  EXPECT_THAT(preflight->get_header_value("Access-Control-Allow-Headers"), HasSubstr("Authorization"));
}

TEST_F(SmallServer, ManyRequestsShareAConnection) {
  httplib::Client client = server_->client();
  client.set_keep_alive(true);
  for (int i = 0; i < 20; ++i) {
    const auto answer = client.Post("/v1/completions", i % 3 == 1 ? "{" : brief().dump(), "application/json");
    ASSERT_TRUE(answer) << i;
    EXPECT_EQ(answer->status, i % 3 == 1 ? 400 : 200);
  }
}

TEST(ServeCommand, SaysWhatIsWrongWithItsFlags) {
  const ModelFolder model;
  const std::string path = model.path().string();
  const auto message = [](std::vector<std::string> flags) {
    flags.insert(flags.begin(), "serve");
    const ProgramRun run = run_gyre(flags);
    EXPECT_EQ(run.status, 2) << run.out;
    return run.err;
  };
  EXPECT_THAT(message({}), HasSubstr("--model is required"));
  EXPECT_THAT(message({"-m", path, "-m", path}), HasSubstr("there are two models \"model\""));
  EXPECT_THAT(message({"-m", "=" + path}), HasSubstr("not of the form NAME=PATH"));
  EXPECT_THAT(message({"-m", path, "--api-key-file", "/nowhere/keys"}), HasSubstr("/nowhere/keys"));
  EXPECT_THAT(message({"-m", path, "--exit", "nothing"}), HasSubstr("nothing"));
  EXPECT_THAT(message({"-m", path, "--context", "25"}), HasSubstr("--context: 25 is more than the 24"));
  EXPECT_THAT(message({"-m", path, "--host", std::string(300, 'a')}), HasSubstr("is no address"));
  EXPECT_THAT(message({"-m", path, "--host", "192.0.2.1"}), HasSubstr("give an address of this machine"));
  const Served server({"-m", path});
  EXPECT_THAT(message({"-m", path, "--port", std::to_string(server.port())}), HasSubstr("is another server there?"));
}

}  // namespace
}  // namespace gyre::server_test
