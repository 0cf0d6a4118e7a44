#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "scratch_folder.hpp"

namespace gyre {

/// hub_server.py as a child process. It ends with the object, and also when the test dies: its stdin ends then.
class HubServer {
 public:
  /// With `certificate` (a PEM file), the hub speaks TLS.
  explicit HubServer(const std::string& certificate = {}) {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) {
      throw std::system_error(errno, std::generic_category(), "pipe");
    }
    const std::string script = std::string(GYRE_TEST_DIR) + "/hub/hub_server.py";
    const std::string log = scratch_ / "log";
    std::vector<const char*> words = {"python3", script.c_str(), log.c_str()};
    if (!certificate.empty()) words.push_back(certificate.c_str());
    words.push_back(nullptr);
    child_ = ::fork();
    if (child_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (child_ == 0) {
      ::dup2(in[0], STDIN_FILENO);
      ::dup2(out[1], STDOUT_FILENO);
      ::execvp(words[0], const_cast<char**>(words.data()));
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    stdin_ = in[1];
    std::FILE* answer = ::fdopen(out[0], "r");
    const int read = std::fscanf(answer, "%d %d", &port_, &storage_port_);
    std::fclose(answer);
    if (read != 2) throw std::runtime_error("tests/hub/hub_server.py does not start; is python3 installed?");
  }
  ~HubServer() {
    ::close(stdin_);
    ::kill(child_, SIGTERM);
    ::waitpid(child_, nullptr, 0);
  }
  HubServer(const HubServer&) = delete;
  HubServer& operator=(const HubServer&) = delete;

  /// The endpoint of a hub that behaves as the scenario of this name.
  [[nodiscard]] std::string endpoint(const std::string& scenario, const std::string& scheme = "http") const {
    return fmt::format("{}://127.0.0.1:{}/{}", scheme, port_, scenario);
  }

  /// The requests so far: role ("hub", or "storage" for the other port), scenario, path, headers.
  [[nodiscard]] std::vector<nlohmann::json> requests() const {
    std::vector<nlohmann::json> records;
    std::ifstream log(scratch_ / "log");
    for (std::string line; std::getline(log, line);) records.push_back(nlohmann::json::parse(line));
    return records;
  }

  /// The requests whose path ends so.
  [[nodiscard]] std::vector<nlohmann::json> requests_for(const std::string& ending) const {
    std::vector<nlohmann::json> found;
    for (nlohmann::json& record : requests()) {
      if (record["path"].get<std::string>().ends_with(ending)) found.push_back(std::move(record));
    }
    return found;
  }

 private:
  ScratchFolder scratch_;
  pid_t child_ = -1;
  int stdin_ = -1;
  int port_ = 0;
  int storage_port_ = 0;
};

/// The bytes of the model.safetensors that hub_server.py serves.
inline std::string served_weights() {
  std::string bytes(300'000, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>((7 * i + i / 251) % 256);
  return bytes;
}

}  // namespace gyre
