#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace gyre {

/// One line of a file of JSON lines: its text, its number from 1, and what leads messages about it.
struct JsonLine {
  std::string_view text;
  int number = 0;
  std::string where;  ///< "FILE, line N"
};

/// Hands over every line of the file that is not empty. Throws Error when the file cannot be read.
void for_each_json_line(const std::filesystem::path& file, const std::function<void(const JsonLine&)>& see);

}  // namespace gyre
