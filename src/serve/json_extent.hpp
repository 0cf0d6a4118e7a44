#pragma once

#include <cstddef>
#include <string_view>

namespace gyre::serve {

/// Finds where an object or a list of JSON ends, as its text comes.
class JsonExtent {
 public:
  /// How many bytes of `more` belong to it.
  std::size_t take(std::string_view more) {
    std::size_t end = 0;
    for (; end < more.size() && !closed_; ++end) {
      const char c = more[end];
      if (quoted_) {
        quoted_ = escaped_ || c != '"';
        escaped_ = !escaped_ && c == '\\';
      } else if (c == '"') {
        quoted_ = true;
      } else if (c == '{' || c == '[') {
        ++depth_;
      } else if (c == '}' || c == ']') {
        closed_ = --depth_ == 0;
      }
    }
    return end;
  }
  [[nodiscard]] bool closed() const { return closed_; }

 private:
  int depth_ = 0;
  bool quoted_ = false;
  bool escaped_ = false;
  bool closed_ = false;
};

}  // namespace gyre::serve
