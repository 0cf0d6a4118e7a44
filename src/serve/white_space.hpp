#pragma once

#include <string_view>

namespace gyre::serve {

inline constexpr std::string_view kWhiteSpace = " \n\t\r";

inline std::string_view without_end_space(std::string_view text) {
  return text.substr(0, text.find_last_not_of(kWhiteSpace) + 1);
}

/// `text` without white space at its ends.
inline std::string_view without_space(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kWhiteSpace);
  return first == std::string_view::npos ? std::string_view() : without_end_space(text.substr(first));
}

}  // namespace gyre::serve
