#pragma once

#include <httplib.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <string>
#include <thread>

#include "serve/connection.hpp"

namespace gyre::serve {

/// httplib's server with a thread for every connection, and sockets of our own (connection.hpp). Answers are sent as
/// they are, neither compressed nor in part. What handlers may ask of a client is below.
class HttpServer : public httplib::Server {
 public:
  explicit HttpServer(HttpOptions options);
  ~HttpServer() override;
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Throws Error naming --host or --port when it cannot listen. Afterwards clients are served.
  void start();
  [[nodiscard]] int port() const { return port_; }
  /// No new connection and no new request is taken; returns when the answers under way have been sent.
  void finish();

 private:
  bool process_and_close_socket(socket_t socket) override;

  HttpOptions options_;
  int port_ = 0;
  std::atomic<bool> closing_ = false;
  std::thread listener_;
};

// `progress` of a request is for clients of httplib; here it is the way from a handler to the connection.

/// Whether the client of a request is still there.
inline bool client_is_there(const httplib::Request& request) { return request.progress(0, 0); }
/// The body of the request stays unread: the connection ends behind the answer.
inline void leave_unread(const httplib::Request& request, httplib::Response& response) {
  request.progress(1, 0);
  response.set_header("Connection", "close");
}

}  // namespace gyre::serve
