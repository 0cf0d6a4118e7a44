#pragma once

#include <string>
#include <vector>

namespace gyre::cli {

/// Where texts to embed come from.
struct TextsOptions {
  std::string file;            ///< "-": standard input
  bool json_lines = false;     ///< each line is an object of JSON
  std::string field = "text";  ///< of it
  std::string prefix;          ///< put before every text
};

/// The texts, one a line. Throws Error naming the line that is empty, not UTF-8, no JSON, or without the field.
std::vector<std::string> read_texts(const TextsOptions& options);

}  // namespace gyre::cli
