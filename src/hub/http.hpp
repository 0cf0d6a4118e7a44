#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/stop.hpp"
#include "hub/url.hpp"

namespace gyre {

/// What an interrupt means here: what is on the disk stays.
inline constexpr const char* kGoesOn = "the same command goes on where it stopped";

/// A failure that may pass when the request is made again: a dropped connection, a busy server.
class TransientFailure : public std::runtime_error {
 public:
  explicit TransientFailure(const std::string& message, std::chrono::seconds retry_after = {})
      : std::runtime_error(message), retry_after_(retry_after) {}

  /// What the server asked to wait; zero when it did not say.
  [[nodiscard]] std::chrono::seconds retry_after() const { return retry_after_; }

 private:
  std::chrono::seconds retry_after_;
};

/// Status and headers of an answer. Headers that were not sent are empty.
struct HttpAnswer {
  Url url;  ///< what answered, after redirects
  int status = 0;
  std::int64_t content_length = -1;  ///< -1: not said
  std::chrono::seconds retry_after{0};
  std::string etag;
  std::string content_range;
  std::string link;
  std::string location;
  std::string error_code;  ///< the hub's X-Error-Code

  [[nodiscard]] bool success() const { return status >= 200 && status < 300; }
};

/// Receives the body of a successful answer: `begin` once, then `write` as bytes come. What they throw ends the
/// transfer and comes out of HttpClient::get.
struct BodyHandler {
  std::function<void(const HttpAnswer&)> begin = [](const HttpAnswer&) {};
  std::function<void(std::span<const std::byte>)> write;
};

/// GET requests over kept connections. Certificates are always checked. The token goes to the endpoint's own origin
/// and nowhere else, whatever redirects say.
class HttpClient {
 public:
  /// An empty `token` means none.
  HttpClient(Url endpoint, std::string token, Stop stop = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Requests `url` with the extra `headers` ("Name: value") and follows redirects. Any status is an answer; bodies of
  /// other answers than 2xx are dropped. Throws TransientFailure, or Error for what trying again will not mend: an
  /// unknown host, a certificate that cannot be trusted, an interrupt.
  HttpAnswer get(const Url& url, const std::vector<std::string>& headers, const BodyHandler& body);

  [[nodiscard]] const Url& endpoint() const { return endpoint_; }
  [[nodiscard]] bool has_token() const { return !token_.empty(); }
  /// Throws Error once a stop is requested.
  void require_still_wanted() const { stop_.check(kGoesOn); }

 private:
  struct Connection;

  HttpAnswer get_once(const Url& url, const std::vector<std::string>& headers, const BodyHandler& body);
  [[noreturn]] void report(int code, const Url& url, const std::string& detail) const;

  Url endpoint_;
  std::string token_;
  Stop stop_;
  std::unique_ptr<Connection> connection_;
  bool answered_ = false;  ///< something has answered: a failure to connect is then a passing one
};

}  // namespace gyre
