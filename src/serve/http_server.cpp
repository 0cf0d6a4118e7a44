#include "serve/http_server.hpp"

#include <netdb.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <utility>

#include "base/error.hpp"

namespace gyre::serve {
namespace {

/// A thread for every connection, up to a number of them: a client that waits for its answer, or reads slowly, keeps
/// nobody else waiting.
class ConnectionThreads : public httplib::TaskQueue {
 public:
  explicit ConnectionThreads(std::size_t most) : most_(most) {}

  void enqueue(std::function<void()> connection) override {
    std::unique_lock lock(mutex_);
    waiting_.push_back(std::move(connection));
    if (idle_ >= waiting_.size() || threads_.size() >= most_) {
      wake_.notify_one();
      return;
    }
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      // There is no other thread to be had: those that there are will come to it.
      wake_.notify_one();
    }
  }

  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      ++idle_;
      wake_.wait(lock, [&] { return closing_ || !waiting_.empty(); });
      --idle_;
      if (waiting_.empty()) return;
      const std::function<void()> connection = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      connection();
      lock.lock();
    }
  }

  std::size_t most_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> waiting_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool closing_ = false;
};

/// Headers and the sizes of chunks, beside the body.
constexpr std::size_t kHeaderBytes = 256 << 10;

/// httplib's default lets several servers share a port, each getting some of the requests.
void allow_restart(socket_t socket) {
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
}

/// Throws Error when the name of an address leads to none.
void require_address(const std::string& host) {
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(host.c_str(), nullptr, nullptr, &found);
  if (failed != 0) throw Error("--host: \"{}\" is no address ({}); try 127.0.0.1", host, gai_strerror(failed));
  freeaddrinfo(found);
}

/// What may help where listening failed with errno `code`.
const char* listening_hint(int code) {
  if (code == EADDRINUSE) return "is another server there?";
  if (code == EACCES) return "ports below 1024 are for the system's own servers";
  return "give an address of this machine";
}

}  // namespace

HttpServer::HttpServer(HttpOptions options) : options_(std::move(options)) {
  const std::size_t connections = options_.connections;
  new_task_queue = [connections] { return new ConnectionThreads(connections); };
  set_socket_options(allow_restart);
  set_keep_alive_timeout(options_.patience.idle.count());
  set_keep_alive_max_count(1 << 20);
}

HttpServer::~HttpServer() { finish(); }

void HttpServer::start() {
  const bool any = options_.port == 0;
  require_address(options_.host);
  errno = 0;
  port_ = any ? bind_to_any_port(options_.host) : bind_to_port(options_.host, options_.port) ? options_.port : -1;
  if (port_ < 0) {
    const int code = errno;
    throw Error("--host, --port: cannot listen on {}:{} ({}); {}", options_.host, options_.port,
                code == 0 ? "it is no address of this machine" : system_message(code), listening_hint(code));
  }
  ::listen(svr_sock_, SOMAXCONN);  // httplib lets five wait
  listener_ = std::thread([this] { listen_after_bind(); });
  while (!is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void HttpServer::finish() {
  if (!listener_.joinable()) return;
  closing_ = true;
  stop();
  listener_.join();
}

bool HttpServer::process_and_close_socket(socket_t socket) {
  Connection connection(socket, options_.patience, options_.most_body + kHeaderBytes, closing_);
  while (connection.wait_for_request()) {
    bool closed = false;
    bool unread = false;
    const auto look_at_client = [&](httplib::Request& request) {
      // An answer is sent as it is, whole, and bodies are read as they come.
      request.ranges.clear();
      request.headers.erase("Accept-Encoding");
      request.progress = [&connection, &unread](std::uint64_t refused, std::uint64_t /*total*/) {
        unread |= refused > 0;
        return connection.peer_is_there();
      };
    };
    const bool done = process_request(connection, closing_, closed, look_at_client);
    if (unread || !done) connection.linger();
    if (!done || closed || unread || closing_) break;
  }
  return true;
}

}  // namespace gyre::serve
