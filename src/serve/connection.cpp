#include "serve/connection.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace gyre::serve {
namespace {

using std::chrono::milliseconds;

/// How often somebody who waits looks whether the server closes.
constexpr milliseconds kLook{50};
/// What a client who connected before the server went down has to send its request.
constexpr milliseconds kLastCall{1000};

using Name = int (*)(int, sockaddr*, socklen_t*);

void read_address(int socket, Name name, std::string& ip, int& port) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (name(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    ::inet_ntop(AF_INET, &v4->sin_addr, text.data(), text.size());
    port = ntohs(v4->sin_port);
  } else if (address.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
    ::inet_ntop(AF_INET6, &v6->sin6_addr, text.data(), text.size());
    port = ntohs(v6->sin6_port);
  }
  ip = text.data();
}

}  // namespace

Connection::Connection(int socket, const Patience& patience, std::size_t most_bytes, const std::atomic<bool>& closing)
    : socket_(socket), patience_(patience), most_bytes_(most_bytes), closing_(closing) {
  const int yes = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));  // a token is sent when it is there
}

Connection::~Connection() { ::close(socket_); }

bool Connection::wait(short events, Clock::time_point end) const {
  while (true) {
    const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
    if (left.count() <= 0) return false;
    pollfd waiting{socket_, events, 0};
    const int found = ::poll(&waiting, 1, static_cast<int>(std::min(left, kLook).count()));
    if (found > 0) return true;
    if (found < 0 && errno != EINTR) return false;
  }
}

bool Connection::wait_for_request() {
  const Clock::time_point begin = Clock::now();
  while (begin_ == end_) {
    const Clock::time_point now = Clock::now();
    const Clock::time_point end = begin + (closing_ ? kLastCall : milliseconds(patience_.idle));
    if (now >= end || (closing_ && served_)) return false;
    if (!wait(POLLIN, std::min(end, now + kLook))) continue;
    if (!peer_is_there()) return false;
    break;
  }
  served_ = true;
  left_ = most_bytes_;
  request_end_ = Clock::now() + patience_.request;
  return true;
}

bool Connection::peer_is_there() const {
  pollfd waiting{socket_, POLLRDHUP, 0};
  return ::poll(&waiting, 1, 0) == 0;
}

void Connection::linger() {
  ::shutdown(socket_, SHUT_WR);
  const Clock::time_point end = Clock::now() + std::chrono::seconds(2);
  while (!closing_ && wait(POLLIN, end)) {
    if (::recv(socket_, buffer_.data(), buffer_.size(), 0) <= 0) return;
  }
}

bool Connection::is_readable() const { return begin_ < end_ || wait(POLLIN, request_end_); }

bool Connection::is_writable() const { return wait(POLLOUT, Clock::now() + patience_.write); }

ssize_t Connection::read(char* to, std::size_t size) {
  if (begin_ == end_) {
    if (!wait(POLLIN, request_end_)) return -1;
    const ssize_t got = ::recv(socket_, buffer_.data(), buffer_.size(), 0);
    if (got <= 0) return got;
    begin_ = 0;
    end_ = static_cast<std::size_t>(got);
  }
  size = std::min({size, end_ - begin_, left_});
  if (size == 0) return -1;  // more than a request may be
  std::memcpy(to, buffer_.data() + begin_, size);
  begin_ += size;
  left_ -= size;
  return static_cast<ssize_t>(size);
}

ssize_t Connection::write(const char* from, std::size_t size) {
  if (!is_writable()) return -1;
  return ::send(socket_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  read_address(socket_, ::getpeername, ip, port);
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  read_address(socket_, ::getsockname, ip, port);
}

}  // namespace gyre::serve
