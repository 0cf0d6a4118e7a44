#include "text/corpus.hpp"

#include <algorithm>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "text/utf8.hpp"

namespace gyre {

namespace {

std::string read_checked(const std::filesystem::path& file) {
  std::string text = read_text(file);
  require_utf8(text, file.string());
  return text;
}

}  // namespace

std::vector<std::string> read_documents(const std::filesystem::path& file_or_folder) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files = {file_or_folder};
  if (fs::is_directory(file_or_folder)) {
    files.clear();
    for (const auto& entry : fs::recursive_directory_iterator(file_or_folder)) {
      if (entry.is_regular_file() && entry.path().extension() == ".txt") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    if (files.empty()) throw Error("{}: no *.txt file in this folder", file_or_folder.string());
  }
  std::vector<std::string> documents;
  for (const fs::path& file : files) {
    std::string text = read_checked(file);
    if (!text.empty()) documents.push_back(std::move(text));
  }
  if (documents.empty()) throw Error("{}: the text is empty", file_or_folder.string());
  return documents;
}

std::string read_corpus(const std::filesystem::path& file_or_folder) {
  std::string text;
  for (const std::string& document : read_documents(file_or_folder)) text += document;
  return text;
}

TextSplit split_text(std::string_view text, double share) {
  auto cut = static_cast<std::size_t>(static_cast<double>(text.size()) * (1.0 - share));
  const auto inside_character = [&](std::size_t i) {
    return i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80U;
  };
  while (inside_character(cut)) ++cut;
  return {text.substr(0, cut), text.substr(cut)};
}

}  // namespace gyre
