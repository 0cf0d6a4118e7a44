#pragma once

#include <string>
#include <string_view>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

/// A format specification: [[fill]align][sign][#][0][width][,][.precision][type].
struct FormatSpec {
  std::string fill = " ";
  char align = '\0';  ///< '<', '>', '^', '='; nothing is the type's own
  char sign = '-';
  bool alternate = false;
  int width = 0;
  bool thousands = false;
  int precision = -1;
  char type = '\0';
};

/// format(value, spec), with what follows the colon in str.format. Throws Failure on specifications that Python refuses
/// or that are not supported.
std::string formatted(const Value& value, std::string_view spec, Budget& budget);
/// The same with the parts of a specification.
std::string formatted(const Value& value, const FormatSpec& spec, Budget& budget);
/// A number at the start of `text`, which loses it. Throws Failure beyond 4 digits.
int take_count(std::string_view& text);

}  // namespace gyre::jinja
