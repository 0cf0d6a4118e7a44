#include "train/rank_folder.hpp"

#include <fmt/format.h>

#include "base/error.hpp"

namespace gyre {

namespace fs = std::filesystem;

RankFolder::RankFolder(const fs::path& out, const ProcessGroup& group)
    : path_(group.first() ? out : out / fmt::format("rank-{}", group.rank())), own_(!group.first()) {
  if (!own_) return;
  std::error_code failure;
  fs::create_directories(path_, failure);
  if (failure) throw Error("cannot make the folder {}: {}; give another folder", path_.string(), failure.message());
}

RankFolder::~RankFolder() {
  std::error_code ignored;
  if (own_) fs::remove_all(path_, ignored);
}

}  // namespace gyre
