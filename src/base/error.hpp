#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace gyre {

/// A mistake the user can mend. The message is one line: what is wrong, where (file, tensor, key or flag), and the
/// mend. Programs print it on stderr and exit with status 2.
class Error : public std::runtime_error {
 public:
  template <typename... Args>
  explicit Error(fmt::format_string<Args...> format, Args&&... args)
      : std::runtime_error(fmt::format(format, std::forward<Args>(args)...)) {}
};

/// The text of errno `code`, for messages.
std::string system_message(int code);

}  // namespace gyre
