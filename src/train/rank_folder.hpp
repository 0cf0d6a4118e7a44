#pragma once

#include <filesystem>

#include "train/process_group.hpp"

namespace gyre {

/// Where a rank writes what it needs for itself: OUT of the first one, and of another a folder in OUT that goes with
/// this object. What is mapped into memory stays there without its file.
class RankFolder {
 public:
  RankFolder(const std::filesystem::path& out, const ProcessGroup& group);
  ~RankFolder();
  RankFolder(const RankFolder&) = delete;
  RankFolder& operator=(const RankFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  bool own_;
};

}  // namespace gyre
