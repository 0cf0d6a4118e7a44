#include "tune/line_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>
#include <utility>

#include "base/error.hpp"

namespace gyre {
namespace {

using Clock = std::chrono::steady_clock;

/// What a new process is started with.
class SpawnSettings {
 public:
  SpawnSettings(int input, int output) {
    posix_spawn_file_actions_init(&files_);
    posix_spawn_file_actions_adddup2(&files_, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files_, output, STDOUT_FILENO);
    posix_spawnattr_init(&attributes_);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP);  // a group of its own, to be ended as one
    posix_spawnattr_setpgroup(&attributes_, 0);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&files_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  [[nodiscard]] const posix_spawn_file_actions_t* files() const { return &files_; }
  [[nodiscard]] const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t files_{};
  posix_spawnattr_t attributes_{};
};

void never_block(const Descriptor& descriptor) {
  ::fcntl(descriptor.number(), F_SETFL, ::fcntl(descriptor.number(), F_GETFL) | O_NONBLOCK);
}

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}
Descriptor::Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

LineProcess::LineProcess(std::vector<std::string> command) : name_(fmt::format("{}", fmt::join(command, " "))) {
  // A socket, since writing to it can be told not to raise SIGPIPE when nobody listens any more.
  std::array<int, 2> to{};
  std::array<int, 2> from{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, to.data()) != 0) {
    throw Error("{}: cannot be started: {}", name_, system_message(errno));
  }
  input_ = Descriptor(to[0]);
  const Descriptor its_input(to[1]);
  if (::pipe2(from.data(), O_CLOEXEC) != 0) {
    throw Error("{}: cannot be started: {}", name_, system_message(errno));
  }
  output_ = Descriptor(from[0]);
  const Descriptor its_output(from[1]);
  const SpawnSettings settings(its_input.number(), its_output.number());
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const int failure =
      ::posix_spawnp(&id_, arguments[0], settings.files(), settings.attributes(), arguments.data(), environ);
  if (failure != 0) {
    id_ = -1;
    throw Error("{}: cannot be started: {}; check the command", name_, system_message(failure));
  }
  never_block(input_);
  never_block(output_);
}

LineProcess::~LineProcess() {
  if (id_ < 0) return;
  ::kill(-id_, SIGKILL);
  while (::waitpid(id_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void LineProcess::send(std::string_view& rest) const {
  while (!rest.empty()) {
    const ssize_t sent = ::send(input_.number(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN && errno != EINTR) rest = {};  // it listens no more; its answers, or their end, will tell
      return;
    }
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
}

bool LineProcess::receive(std::string& said) const {
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t count = ::read(output_.number(), buffer.data(), buffer.size());
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    if (count == 0) return false;
    said.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

void LineProcess::wait(bool to_send, std::chrono::milliseconds at_most) const {
  std::array<pollfd, 2> places = {{{output_.number(), POLLIN, 0}, {to_send ? input_.number() : -1, POLLOUT, 0}}};
  ::poll(places.data(), places.size(), static_cast<int>(std::max<std::int64_t>(0, at_most.count())));
}

std::string LineProcess::how_it_ended() const {
  // It has closed its output, and may be about to end.
  for (int tries = 0; tries < 100; ++tries) {
    siginfo_t info{};
    const int seen = ::waitid(P_PID, static_cast<id_t>(id_), &info, WEXITED | WNOHANG | WNOWAIT);
    if (seen == 0 && info.si_pid == id_) {
      return info.si_code == CLD_EXITED ? fmt::format("it ended with status {}", info.si_status)
                                        : fmt::format("it was ended by signal {}", info.si_status);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return "it closed its output";
}

void LineProcess::ask(std::span<const std::string> lines, std::chrono::milliseconds patience,
                      const std::function<void(std::size_t, std::string_view)>& take) {
  std::string text;
  for (const std::string& line : lines) text += line + '\n';
  std::string_view rest = text;
  std::string said;
  static_cast<void>(receive(said));
  require_silence(said);
  std::size_t answered = 0;
  auto deadline = Clock::now() + patience;
  while (answered < lines.size()) {
    send(rest);
    wait(!rest.empty(), std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()));
    const bool open = receive(said);
    std::size_t begin = 0;
    for (std::size_t end = said.find('\n'); end != std::string::npos && answered < lines.size();
         end = said.find('\n', begin)) {
      take(answered, std::string_view(said).substr(begin, end - begin));
      begin = end + 1;
      ++answered;
      deadline = Clock::now() + patience;
    }
    said.erase(0, begin);
    if (answered == lines.size()) break;
    if (!open) throw Error("{}: {}, before it answered item {} of the batch", name_, how_it_ended(), answered);
    if (Clock::now() >= deadline) {
      throw Error("{}: no answer to item {} of the batch within {} s; raise \"timeout\", or mend the program", name_,
                  answered, static_cast<double>(patience.count()) / 1000);
    }
  }
  require_silence(said);
}

void LineProcess::require_silence(const std::string& said) const {
  if (!said.empty()) throw Error("{}: it says more than a line an item: {}", name_, said.substr(0, 80));
}

}  // namespace gyre
