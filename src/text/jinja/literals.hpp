#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

struct NumberLiteral {
  std::size_t size = 0;  ///< bytes it takes
  Value value;
  std::string problem;  ///< why it cannot be held; empty when it can
};

/// The number at the start of `text`, which begins with a digit; a float only with `may_be_real`.
NumberLiteral number_literal(std::string_view text, bool may_be_real);

/// The text of a literal without its quotes: \n and the like resolved as Python does. `problem` says what is wrong.
std::string unescaped(std::string_view literal, std::string& problem);

/// int(text, base), with Python's blanks, signs, prefixes and underscores; nothing when it is no number. Throws
/// Failure when it is too large.
std::optional<Integer> parse_integer(std::string_view text, int base);
/// A part of a path such as `items.0.name`: a whole number where it is digits alone, else text. Throws Failure where
/// the number is too large.
Value path_key(std::string_view part);
/// float(text).
std::optional<double> parse_real(std::string_view text);

}  // namespace gyre::jinja
