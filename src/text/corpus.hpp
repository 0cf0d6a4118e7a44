#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace gyre {

/// The text of a file, or of every *.txt file below a folder in the order of their paths. Throws Error when it is
/// missing, empty, or not UTF-8.
std::string read_corpus(const std::filesystem::path& file_or_folder);

/// The same, file by file.
std::vector<std::string> read_documents(const std::filesystem::path& file_or_folder);

/// The last `share` of a text is its validation part; the cut lies between two UTF-8 characters.
struct TextSplit {
  std::string_view training;
  std::string_view validation;
};
TextSplit split_text(std::string_view text, double share);

}  // namespace gyre
