#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace gyre::raman {

/// The RRUFF spectra beside a work tree (../shared/data/rruff_raman), where they are: tests that use them skip
/// elsewhere.
class RealData {
 public:
  struct Row {
    std::string file;
    std::string mineral;
    std::string country;
    std::string locality;
  };

  /// Unpacks the spectra into `scratch` unless it is empty.
  explicit RealData(const std::filesystem::path& scratch = {}) {
    const std::filesystem::path set =
        std::filesystem::path(GYRE_TEST_DIR).parent_path().parent_path() / "shared/data/rruff_raman";
    std::ifstream table(set / "index.tsv");
    std::string line;
    if (!std::getline(table, line)) {
      reason_ = "the RRUFF spectra are not beside this work tree";
      return;
    }
    while (std::getline(table, line)) {
      std::vector<std::string> fields(1);
      for (const char c : line) {
        if (c == '\t')
          fields.emplace_back();
        else
          fields.back().push_back(c);
      }
      if (fields.size() == 9) index_.push_back({fields[0], fields[2], fields[7], fields[8]});
    }
    if (scratch.empty()) return;
    folder_ = scratch / "spectra";
    std::filesystem::create_directories(folder_);
    const std::string command =
        "tar -xJf '" + (set / "spectra.tar.xz").string() + "' -C '" + folder_.string() + "' 2>/dev/null";
    if (std::system(command.c_str()) != 0) reason_ = "tar cannot unpack the RRUFF spectra";
  }

  [[nodiscard]] bool available() const { return reason_.empty(); }
  [[nodiscard]] const std::string& reason() const { return reason_; }
  [[nodiscard]] const std::vector<Row>& index() const { return index_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  std::string reason_;
  std::vector<Row> index_;
  std::filesystem::path folder_;
};

}  // namespace gyre::raman
