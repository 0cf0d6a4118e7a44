#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

/// A template in Jinja that was read, to be run any number of times. It means what it means to jinja2 with the settings
/// of transformers: an immutable sandbox, trim_blocks, lstrip_blocks, break and continue, generation blocks, and tojson
/// that leaves characters as they are.
class Program {
 public:
  /// Throws gyre::Error with `where` and the line on what Jinja refuses and on what is not supported, by its name.
  Program(std::string_view source, std::string where);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  Program(Program&& other) noexcept;
  Program& operator=(Program&& other) noexcept;

  /// The text it writes, given these variables; `clock` is the time in seconds since 1970, now when it is empty. Throws
  /// gyre::Error with `where` and the line; what the template itself says with raise_exception comes without one.
  [[nodiscard]] std::string render(const Dict& variables, std::optional<std::int64_t> clock = {}) const;

 private:
  struct Tree;
  std::unique_ptr<Tree> tree_;
  std::string where_;
};

}  // namespace gyre::jinja
