#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace gyre {

/// The program as a child process whose output goes to a file; it is killed at the latest when the object goes.
class ChildProcess {
 public:
  ChildProcess(std::vector<std::string> words, const std::filesystem::path& log,
               const std::vector<std::pair<std::string, std::string>>& environment = {}) {
    words.insert(words.begin(), GYRE_BINARY);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    child_ = ::fork();
    if (child_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (child_ != 0) return;
    const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
    for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ~ChildProcess() {
    signal(SIGKILL);
    wait();
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void signal(int number) const {
    if (child_ > 0) ::kill(child_, number);
  }

  /// The child's status as waitpid gives it.
  int wait() {
    int status = 0;
    if (child_ > 0) ::waitpid(child_, &status, 0);
    child_ = -1;
    return status;
  }

  bool running() {
    int status = 0;
    if (child_ <= 0 || ::waitpid(child_, &status, WNOHANG) == 0) return child_ > 0;
    child_ = -1;
    return false;
  }

 private:
  pid_t child_ = -1;
};

}  // namespace gyre
