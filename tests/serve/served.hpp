#pragma once

#include <httplib.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.hpp"
#include "cli/child_process.hpp"
#include "scratch_folder.hpp"
#include "serve/openapi.hpp"
#include "serve/schema_check.hpp"

namespace gyre {

/// An answer of the server.
struct Answer {
  int status = 0;
  nlohmann::ordered_json json = nullptr;  ///< null where the body is none
  httplib::Headers headers = {};
};

/// One line of a stream: what stands behind "data: ".
using Data = std::vector<std::string>;

/// What is wrong with an answer by the server's own document, or nothing: of JSON, whole or as a line of a stream.
inline std::string mistake_in(const std::string& method, std::string path, const std::string& type, int status,
                              const nlohmann::ordered_json& json) {
  static const nlohmann::ordered_json document = serve::openapi_document();
  if (const std::size_t query = path.find('?'); query != std::string::npos) path.resize(query);
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  const nlohmann::ordered_json& paths = document.at("paths");
  std::string known = path;
  if (!paths.contains(known)) known = path.rfind("/v1/", 0) == 0 ? path.substr(3) : "/v1" + path;
  if (!paths.contains(known) && path.find("/models/") != std::string::npos) known = "/v1/models/{name}";
  const SchemaCheck check(document);
  if (status != 200) return check.mistake(json, check.referred("#/components/schemas/Error"));
  if (!paths.contains(known) || !paths.at(known).contains(method)) return method + " " + path + " is not described";
  const nlohmann::ordered_json& content = paths.at(known).at(method).at("responses").at("200").at("content");
  if (!content.contains(type)) return type + " is not described for " + path;
  return check.mistake(json, content.at(type).at("schema"));
}

/// The program serving on a free port of loopback.
class Served {
 public:
  explicit Served(std::vector<std::string> words, const std::string& ready = "listening on ") {
    words.insert(words.begin(), "serve");
    words.insert(words.end(), {"--port", "0", "--threads", "1"});
    process_ = std::make_unique<ChildProcess>(std::move(words), scratch_ / "log");
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < end && process_->running()) {
      const std::string text = log();
      const std::size_t at = text.find(ready);
      if (at != std::string::npos && text.find('\n', at) != std::string::npos) {
        port_ = std::stoi(text.substr(text.find_last_of(':') + 1));
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    throw std::runtime_error("the server does not listen: " + log());
  }

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string log() const {
    return std::filesystem::exists(scratch_ / "log") ? read_text(scratch_ / "log") : std::string();
  }
  [[nodiscard]] httplib::Client client() const {
    httplib::Client client("127.0.0.1", port_);
    client.set_read_timeout(120);
    client.set_tcp_nodelay(true);
    return client;
  }

  [[nodiscard]] Answer get(const std::string& path, const httplib::Headers& headers = {}) const {
    return answer_of("get", path, client().Get(path, headers));
  }
  [[nodiscard]] Answer post(const std::string& path, const nlohmann::ordered_json& body,
                            const httplib::Headers& headers = {}) const {
    return post_text(path, body.dump(), headers);
  }
  [[nodiscard]] Answer post_text(const std::string& path, const std::string& body,
                                 const httplib::Headers& headers = {}) const {
    return answer_of("post", path, client().Post(path, headers, body, "application/json"));
  }
  /// The whole of a stream, by its lines of data.
  [[nodiscard]] Data stream(const std::string& path, nlohmann::ordered_json body) const {
    body["stream"] = true;
    const auto got = client().Post(path, body.dump(), "application/json");
    if (!got) throw std::runtime_error("no answer: " + httplib::to_string(got.error()));
    Data lines;
    std::size_t at = 0;
    while (at < got->body.size()) {
      const std::size_t end = got->body.find("\n\n", at);
      const std::string line = got->body.substr(at, end - at);
      const std::size_t data = line.find("data: ");  // behind "event: " where there is one
      if (data != std::string::npos && line.rfind(": ", 0) != 0) {
        lines.push_back(line.substr(data + 6));
        check_line(path, lines.back());
      }
      at = end == std::string::npos ? got->body.size() : end + 2;
    }
    return lines;
  }

  void signal(int number) const { process_->signal(number); }
  /// The exit status, or minus the signal that ended it.
  [[nodiscard]] int wait() const {
    const int status = process_->wait();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  static Answer answer_of(const char* method, const std::string& path, const httplib::Result& result) {
    if (!result) throw std::runtime_error("no answer: " + httplib::to_string(result.error()));
    Answer answer{result->status, nlohmann::ordered_json::parse(result->body, nullptr, false), result->headers};
    if (!answer.json.is_discarded()) {
      const std::string wrong = mistake_in(method, path, "application/json", answer.status, answer.json);
      if (!wrong.empty()) throw std::runtime_error(path + ": " + wrong + ": " + result->body.substr(0, 1000));
    }
    return answer;
  }
  static void check_line(const std::string& path, const std::string& line) {
    if (line == "[DONE]") return;
    const nlohmann::ordered_json json = nlohmann::ordered_json::parse(line);
    const int status = json.size() == 1 && json.contains("error") ? 500 : 200;
    const std::string wrong = mistake_in("post", path, "text/event-stream", status, json);
    if (!wrong.empty()) throw std::runtime_error(path + ": " + wrong + ": " + line);
  }

  ScratchFolder scratch_;
  std::unique_ptr<ChildProcess> process_;
  int port_ = 0;
};

/// The text of a choice, put together from the chunks of a stream.
inline std::string streamed_text(const Data& lines, std::size_t choice = 0) {
  std::string text;
  for (const std::string& line : lines) {
    if (line == "[DONE]") continue;
    const nlohmann::json chunk = nlohmann::json::parse(line);
    for (const auto& one : chunk.at("choices")) {
      if (one.at("index") != choice) continue;
      if (one.contains("text")) text += one.at("text").get<std::string>();
      if (one.contains("delta")) text += one.at("delta").value("content", "");
    }
  }
  return text;
}

}  // namespace gyre
