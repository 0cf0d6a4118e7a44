#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace gyre {

/// One row of a task's file.
struct TaskRow {
  std::string where;    ///< "FILE, line 3" or "FILE, row 3", both from 1
  nlohmann::json json;  ///< an object; of a line of plain text {"text": line}
  /// The object that holds the rows, without them, where there is one.
  std::shared_ptr<const nlohmann::json> around = {};
};

/// The first `most` rows of a file: a JSON list of objects, JSON lines, an object with a list of "examples", or, where
/// `plain_text` allows it, lines of text. Empty lines are passed over. Throws Error naming the place where it is none
/// of these, empty, or not UTF-8.
std::vector<TaskRow> read_rows(const std::filesystem::path& file, bool plain_text, std::size_t most);

}  // namespace gyre
