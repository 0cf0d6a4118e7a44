#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gyre {

/// A file descriptor that is closed with its owner.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&& other) noexcept;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] int number() const { return number_; }

 private:
  int number_ = -1;
};

/// A program that answers every line it is given with a line. It runs until this object is gone, and is then killed,
/// with whatever it started.
class LineProcess {
 public:
  /// Starts it: `command` is a program, found as a shell finds it, and its arguments. Throws Error when it cannot be
  /// started.
  explicit LineProcess(std::vector<std::string> command);
  ~LineProcess();
  LineProcess(const LineProcess&) = delete;
  LineProcess& operator=(const LineProcess&) = delete;
  LineProcess(LineProcess&&) = delete;
  LineProcess& operator=(LineProcess&&) = delete;

  /// Gives it `lines` and hands the answer to each, in order, to `take`. Throws Error, naming the program and the line
  /// from 0, when it ends, when no answer comes for `patience`, or when it says more than it was asked; what `take`
  /// throws goes through. The process is of no further use then.
  void ask(std::span<const std::string> lines, std::chrono::milliseconds patience,
           const std::function<void(std::size_t, std::string_view)>& take);

  /// The command in one line, for messages.
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] pid_t id() const { return id_; }

 private:
  /// Sends what it takes now, and takes that off `rest`.
  void send(std::string_view& rest) const;
  /// Appends what it has said; false at the end of it.
  bool receive(std::string& said) const;
  /// Until it says something, or takes more.
  void wait(bool to_send, std::chrono::milliseconds at_most) const;
  void require_silence(const std::string& said) const;
  [[nodiscard]] std::string how_it_ended() const;

  std::string name_;
  Descriptor input_;
  Descriptor output_;
  pid_t id_ = -1;  ///< of it and of its group
};

}  // namespace gyre
