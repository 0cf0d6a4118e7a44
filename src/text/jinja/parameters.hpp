#pragma once

#include <initializer_list>
#include <optional>
#include <string_view>
#include <vector>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

/// The arguments of a call in the order of the names of its parameters.
class Parameters {
 public:
  /// The first `needed` of `names` must be given. Throws Failure, with `what` was called, when one is missing, unknown,
  /// given twice or too many.
  Parameters(std::string_view what, const Arguments& arguments, std::initializer_list<std::string_view> names,
             std::size_t needed = 0);

  [[nodiscard]] bool given(std::size_t i) const { return values_[i].has_value(); }
  /// The argument, or none when it is not given.
  [[nodiscard]] const Value& operator[](std::size_t i) const;
  [[nodiscard]] bool flag(std::size_t i, bool otherwise) const;
  /// A whole number. Throws Failure when it is anything else.
  [[nodiscard]] Integer whole(std::size_t i, Integer otherwise) const;
  /// A text. Throws Failure when it is anything else.
  [[nodiscard]] const std::string& text(std::size_t i) const;

 private:
  std::string_view what_;
  std::vector<std::string_view> names_;
  std::vector<std::optional<Value>> values_;
};

}  // namespace gyre::jinja
