#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "serve/api_error.hpp"

namespace gyre::serve {

/// Reading the fields of a JSON object in a request. Null is as good as absent. Every error names the field; what
/// nobody asked for is refused by done().
class Fields {
 public:
  /// `path` is where the object stands, "" for the body. Throws ApiError when it is none.
  Fields(const Json& object, std::string path);

  /// Null when it is absent.
  const Json* find(std::string_view name);
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t least, std::int64_t most);
  std::optional<double> number(std::string_view name, double least, double most);
  std::optional<bool> boolean(std::string_view name);
  std::optional<std::string> text(std::string_view name);
  /// A list, of at most `most`.
  const Json* list(std::string_view name, std::size_t most);
  std::optional<Fields> object(std::string_view name);

  /// Fields that change nothing here, whatever they say.
  void ignore(std::initializer_list<std::string_view> names);
  /// A field that would change something which is not offered: anything but these values is refused.
  void only(std::string_view name, std::initializer_list<Json> harmless);
  /// Throws ApiError about the first field that nobody asked for.
  void done() const;

  /// "gyre.loops"
  [[nodiscard]] std::string path_of(std::string_view name) const;
  template <typename... Args>
  [[nodiscard]] ApiError wrong(std::string_view name, fmt::format_string<Args...> format, Args&&... args) const {
    const std::string path = path_of(name);
    return bad_request(path, "{}: {}", path, fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  const Json* object_;
  std::string path_;
  std::set<std::string, std::less<>> seen_;
};

/// What a value is, for messages: "a number", "a list".
std::string_view kind_of(const Json& value);

}  // namespace gyre::serve
