#pragma once

#include <httplib.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>

#include "serve/http_options.hpp"

namespace gyre::serve {

/// A client's socket as httplib reads and writes it: with a bound on how much one request may be, and on how long it
/// may take, and with a way to see whether the client is still there.
class Connection : public httplib::Stream {
 public:
  /// It closes `socket` when it goes.
  Connection(int socket, const Patience& patience, std::size_t most_bytes, const std::atomic<bool>& closing);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Waits for the first byte of a request; false when none comes in time, the client left, or the server closes and
  /// the client has had an answer.
  bool wait_for_request();
  /// Whether the client has neither closed the connection nor its half of it.
  [[nodiscard]] bool peer_is_there() const;
  /// Tells the client that no more is sent, and takes what it is still sending: else it might lose the answer.
  void linger();

  [[nodiscard]] bool is_readable() const override;
  [[nodiscard]] bool is_writable() const override;
  ssize_t read(char* to, std::size_t size) override;
  ssize_t write(const char* from, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  [[nodiscard]] socket_t socket() const override { return 0; }  // httplib compares it with FD_SETSIZE, and no more

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] bool wait(short events, Clock::time_point end) const;

  int socket_;
  Patience patience_;
  std::size_t most_bytes_;
  const std::atomic<bool>& closing_;
  std::array<char, 16384> buffer_{};
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t left_ = 0;  ///< bytes that the request may still have
  bool served_ = false;   ///< this client has asked something already
  Clock::time_point request_end_ = {};
};

}  // namespace gyre::serve
