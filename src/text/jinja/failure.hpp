#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

namespace gyre::jinja {

/// A mistake in a template or in what it was given. Whoever runs the template knows its name and the line.
class Failure : public std::runtime_error {
 public:
  template <typename... Args>
  explicit Failure(fmt::format_string<Args...> format, Args&&... args)
      : std::runtime_error(fmt::format(format, std::forward<Args>(args)...)) {}
};

/// The template asks for more steps, depth or text than anybody's does.
class LimitReached : public Failure {
 public:
  using Failure::Failure;
};

/// What a template says with raise_exception.
class Raised : public Failure {
 public:
  using Failure::Failure;
};

}  // namespace gyre::jinja
