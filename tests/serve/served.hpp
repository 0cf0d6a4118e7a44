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

namespace gyre {

/// An answer of the server.
struct Answer {
  int status = 0;
  nlohmann::ordered_json json = nullptr;  ///< null where the body is none
  httplib::Headers headers = {};
};

/// One line of a stream: what stands behind "data: ".
using Data = std::vector<std::string>;

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
    return answer_of(client().Get(path, headers));
  }
  [[nodiscard]] Answer post(const std::string& path, const nlohmann::ordered_json& body,
                            const httplib::Headers& headers = {}) const {
    return post_text(path, body.dump(), headers);
  }
  [[nodiscard]] Answer post_text(const std::string& path, const std::string& body,
                                 const httplib::Headers& headers = {}) const {
    return answer_of(client().Post(path, headers, body, "application/json"));
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
      if (line.rfind("data: ", 0) == 0) lines.push_back(line.substr(6));
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
  static Answer answer_of(const httplib::Result& result) {
    if (!result) throw std::runtime_error("no answer: " + httplib::to_string(result.error()));
    return {result->status, nlohmann::ordered_json::parse(result->body, nullptr, false), result->headers};
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
