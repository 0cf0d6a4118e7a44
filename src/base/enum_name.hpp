#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace gyre {

/// One row of a table that ties enumerators to their names in files and flags.
template <typename Enum>
struct EnumName {
  Enum value;
  std::string_view name;
};

template <typename Enum>
std::string_view name_of(std::span<const EnumName<Enum>> names, Enum value) {
  for (const EnumName<Enum>& row : names) {
    if (row.value == value) return row.name;
  }
  return "?";
}

/// The enumerator of that name. Throws Error naming `flag`, what the text should be, and all names.
template <typename Enum>
Enum parse_enum(std::span<const EnumName<Enum>> names, const std::string& text, const std::string& flag,
                std::string_view what) {
  std::string all;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].name == text) return names[i].value;
    all += i == 0 ? "" : i + 1 == names.size() ? " or " : ", ";
    all += names[i].name;
  }
  throw Error("{}: \"{}\" is no {}; choose {}", flag, text, what, all);
}

}  // namespace gyre
