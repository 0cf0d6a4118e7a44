#include "serve/server.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <new>
#include <optional>
#include <thread>

#include "base/error.hpp"
#include "serve/endpoints.hpp"
#include "serve/http_server.hpp"

namespace gyre::serve {
namespace {

/// The path under which endpoints are listed: without /v1, and without a slash at its end.
std::string_view bare_path(std::string_view path) {
  if (path.starts_with("/v1/")) path.remove_prefix(3);
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path;
}

bool fits(const Endpoint& endpoint, std::string_view path) {
  std::string_view own = endpoint.path;
  if (!own.ends_with("/*")) return own == path;
  own.remove_suffix(1);
  return path.size() > own.size() && path.starts_with(own);
}

/// Throws ApiError when there is no such path, or not by this method.
const Endpoint& endpoint_of(const httplib::Request& request) {
  const std::string_view path = bare_path(request.path);
  const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  const Endpoint* other = nullptr;
  for (const Endpoint& endpoint : endpoints()) {
    if (!fits(endpoint, path)) continue;
    if (method == endpoint.method) return endpoint;
    other = &endpoint;
  }
  if (other != nullptr) {
    throw ApiError(
        405, "invalid_request_error",
        fmt::format("{} takes {}, not {}", request.path.substr(0, 200), other->method, request.method.substr(0, 20)));
  }
  throw ApiError(404, "invalid_request_error",
                 fmt::format("there is no {} here; /openapi.json lists what there is", request.path.substr(0, 200)));
}

std::string key_of(const httplib::Request& request) {
  constexpr std::string_view kBearer = "Bearer ";
  const std::string given = request.get_header_value("Authorization");
  if (given.starts_with(kBearer)) return given.substr(kBearer.size());
  return request.get_header_value("X-Api-Key");
}

void send_error(httplib::Response& response, const ApiError& error) {
  if (error.retry_after() > 0) response.set_header("Retry-After", std::to_string(error.retry_after()));
  if (error.status() == 504) response.set_header("x-should-retry", "false");  // it would take as long again
  if (error.status() == 401) response.set_header("WWW-Authenticate", "Bearer");
  send_json(response, error.to_json(), error.status());
}

/// Runs `work`, and turns what it throws into an answer.
template <typename Work>
bool answered(httplib::Response& response, const Log& log, const Work& work) {
  try {
    work();
    return true;
  } catch (const ApiError& error) {
    send_error(response, error);
  } catch (const std::bad_alloc&) {
    send_error(response, {503, "server_error", "there is not enough memory for this request; send less"});
  } catch (const std::exception& failure) {
    if (log) log(failure.what());  // which may name what is nobody's business
    send_error(response, {500, "server_error", "something went wrong in the server; its log says what"});
  }
  return false;
}

std::string read_body(const httplib::Request& request, const httplib::ContentReader& reader, std::size_t most) {
  const auto refuse = [](int status, const std::string& message) -> ApiError {
    return {status, "invalid_request_error", message};
  };
  const std::string encoding = request.get_header_value("Content-Encoding");
  if (!encoding.empty() && encoding != "identity") throw refuse(415, "the body is compressed; send it as it is");
  if (request.is_multipart_form_data()) throw refuse(415, "the body is a form; send JSON");
  const auto too_long = [&] { return refuse(413, fmt::format("the body is longer than {} bytes", most)); };
  const std::string length = request.get_header_value("Content-Length");
  const bool chunked = request.has_header("Transfer-Encoding");
  if (length.empty() && !chunked) throw refuse(411, "say how long the body is (Content-Length)");
  const bool plain = std::all_of(length.begin(), length.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!plain || (chunked && !length.empty()) || request.get_header_value_count("Content-Length") > 1) {
    throw refuse(400, "it is not clear how long the body is");
  }
  if (length.size() > 18 || std::strtoull(length.c_str(), nullptr, 10) > most) throw too_long();
  std::string body;
  bool fits = true;
  const bool read = reader([&](const char* bytes, std::size_t count) {
    fits = body.size() + count <= most;
    if (fits) body.append(bytes, count);
    return fits;
  });
  if (!fits) throw too_long();
  if (!read) throw refuse(400, "the body ended early, or took too long");
  return body;
}

constexpr const char* kAnyPath = R"(/[\s\S]*)";  // a dot would leave out line ends, which %0A puts into a path

}  // namespace

struct Server::State {
  State(std::vector<ServedModel> served, ServerOptions chosen)
      : options(std::move(chosen)),
        models(std::move(served)),
        engine(models, options.engine, totals),
        service{models, engine, totals, options.engine, formats, options.timeout},
        http(options.http) {
    http.set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      return admits(request, response) ? httplib::Server::HandlerResponse::Unhandled
                                       : httplib::Server::HandlerResponse::Handled;
    });
    http.Get(kAnyPath, [this](const httplib::Request& request, httplib::Response& response) {
      handle(request, response, nullptr);
    });
    http.Post(kAnyPath, [this](const httplib::Request& request, httplib::Response& response,
                               const httplib::ContentReader& reader) { handle(request, response, &reader); });
    http.set_error_handler([](const httplib::Request& /*request*/, httplib::Response& response) {
      // What httplib itself refuses: a request line or headers that are none.
      if (response.body.empty()) {
        send_error(response, {response.status, "invalid_request_error", "this is no HTTP request that can be read"});
      }
    });
  }

  /// Sees to origins and keys before anything is read; false when the answer is there already.
  bool admits(const httplib::Request& request, httplib::Response& response) const {
    const std::string origin = request.get_header_value("Origin");
    const bool cross = !origin.empty();
    const bool welcome =
        !cross || options.origins.allowed(origin) || is_own_page(origin, request.get_header_value("Host"));
    if (cross && welcome) {
      response.set_header("Access-Control-Allow-Origin", origin);
      response.set_header("Vary", "Origin");
    }
    const bool admitted = answered(response, options.log, [&] {
      if (!welcome) throw ApiError(403, "permission_error", "pages of this origin may not ask (--cors-origin)");
      if (request.method == "OPTIONS") return;
      const Endpoint& endpoint = endpoint_of(request);
      if (endpoint.open || options.keys.opens(key_of(request))) return;
      throw ApiError(401, "authentication_error", "the API key is missing or wrong (Authorization: Bearer KEY)",
                     {.code = "invalid_api_key"});
    });
    if (admitted && request.method == "OPTIONS") {
      response.status = 200;
      response.set_header("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
      response.set_header("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Api-Key");
      response.set_header("Access-Control-Max-Age", "600");
      return false;
    }
    if (!admitted && request.method != "GET" && request.method != "HEAD") leave_unread(request, response);
    return admitted;
  }

  void handle(const httplib::Request& request, httplib::Response& response,
              const httplib::ContentReader* reader) const {
    bool read = reader == nullptr;
    answered(response, options.log, [&] {
      Exchange exchange{request, response, bare_path(request.path)};
      if (reader != nullptr) {
        const std::string body = read_body(request, *reader, options.http.most_body);
        read = true;
        exchange.body = parse_body(body);
      }
      endpoint_of(request).handle(service, exchange);
    });
    if (!read) leave_unread(request, response);
  }

  ServerOptions options;
  std::vector<ServedModel> models;
  Totals totals;
  FormatCache formats;
  EngineThread engine;
  Service service;
  HttpServer http;
};

Server::Server(std::vector<ServedModel> models, ServerOptions options)
    : state_(std::make_unique<State>(std::move(models), std::move(options))) {}

Server::~Server() = default;

void Server::start() { state_->http.start(); }

int Server::port() const { return state_->http.port(); }

void Server::finish() {
  std::mutex mutex;
  std::condition_variable done;
  bool finished = false;
  std::thread closer([&] {
    state_->http.finish();
    const std::lock_guard lock(mutex);
    finished = true;
    done.notify_one();
  });
  {
    std::unique_lock lock(mutex);
    if (!done.wait_for(lock, state_->options.drain, [&] { return finished; })) state_->engine.stop();
  }
  closer.join();
}

}  // namespace gyre::serve
