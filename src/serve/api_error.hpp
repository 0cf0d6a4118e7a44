#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>

namespace gyre::serve {

/// JSON with the keys of its objects in the order in which they came, which chat templates show.
using Json = nlohmann::ordered_json;

/// A request that is answered by an error, in the form of OpenAI's API.
class ApiError : public std::runtime_error {
 public:
  ApiError(int status, std::string type, std::string message)
      : std::runtime_error(std::move(message)), status_(status), type_(std::move(type)) {}

  /// The field of the request that is wrong: "messages[0].content".
  ApiError& about(std::string param) {
    param_ = std::move(param);
    return *this;
  }
  /// A word for programs: "context_length_exceeded".
  ApiError& coded(std::string code) {
    code_ = std::move(code);
    return *this;
  }
  /// Seconds after which the request may be made again.
  ApiError& retry_after(int seconds) {
    retry_after_ = seconds;
    return *this;
  }

  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] const std::string& param() const { return param_; }
  [[nodiscard]] int retry_after() const { return retry_after_; }
  /// {"error": {"message", "type", "param", "code"}}
  [[nodiscard]] Json to_json() const;

 private:
  int status_;
  std::string type_;
  std::string param_;
  std::string code_;
  int retry_after_ = 0;
};

/// 400 about a field of the request.
template <typename... Args>
ApiError bad_request(std::string param, fmt::format_string<Args...> format, Args&&... args) {
  ApiError error(400, "invalid_request_error", fmt::format(format, std::forward<Args>(args)...));
  error.about(std::move(param));
  return error;
}

/// One line of JSON. Bytes that are no UTF-8 become U+FFFD.
std::string dump(const Json& json);

/// The object in the body of a request. Throws ApiError when it is not JSON, no object, nested deeper than 64, or holds
/// an object of more than 512 keys, which take time with the square of their number.
Json parse_body(const std::string& body);

}  // namespace gyre::serve
