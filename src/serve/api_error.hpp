#pragma once

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>

namespace gyre::serve {

/// JSON with the keys of its objects in the order in which they came, which chat templates show.
using Json = nlohmann::ordered_json;

/// What an error says besides.
struct ErrorDetails {
  std::string param = {};  ///< the field of the request that is wrong: "messages[0].content"
  std::string code = {};   ///< a word for programs: "context_length_exceeded"
  int retry_after = 0;     ///< seconds after which the request may be made again
};

/// A request that is answered by an error, in the form of OpenAI's API.
class ApiError : public std::runtime_error {
 public:
  ApiError(int status, const char* type, const std::string& message, ErrorDetails details = {})
      : std::runtime_error(message),
        status_(status),
        type_(type),
        told_(std::make_shared<const Told>(Told{message, std::move(details)})) {}

  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] const std::string& param() const { return told_->details.param; }
  [[nodiscard]] int retry_after() const { return told_->details.retry_after; }
  /// {"error": {"message", "type", "param", "code"}}
  [[nodiscard]] Json to_json() const;

 private:
  struct Told {
    std::string message;  ///< whole, where what() ends at a NUL that a request held
    ErrorDetails details;
  };

  int status_;
  const char* type_;
  std::shared_ptr<const Told> told_;  // an error that is thrown is copied without throwing another
};

/// 400 about a field of the request.
template <typename... Args>
ApiError bad_request(const std::string& param, fmt::format_string<Args...> format, Args&&... args) {
  return {400, "invalid_request_error", fmt::format(format, std::forward<Args>(args)...), {.param = param}};
}

/// One line of JSON. Bytes that are no UTF-8 become U+FFFD.
std::string dump(const Json& json);

/// The value that a text of JSON holds. Throws ApiError of `param`, led by `where`, when it is not JSON, nested deeper
/// than 64, or holds an object of more than 512 keys, which take time with the square of their number.
Json parse_text(const std::string& text, const std::string& where, const std::string& param);

/// The object in the body of a request. Throws ApiError as parse_text does, and when it is no object.
Json parse_body(const std::string& body);

}  // namespace gyre::serve
