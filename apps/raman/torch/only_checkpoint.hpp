#pragma once

#include <filesystem>
#include <functional>

#include "base/file.hpp"
#include "train/run_folder.hpp"

namespace gyre::raman {

/// Writes the checkpoint of a step, whole or not at all, and removes the others: only the latest is ever gone back to.
inline void write_only_checkpoint(const std::filesystem::path& checkpoints, int step,
                                  const std::function<void(const std::filesystem::path& folder)>& write) {
  write_folder_atomically(checkpoints / checkpoint_name(step), write);
  for (const auto& entry : std::filesystem::directory_iterator(checkpoints)) {
    if (entry.path().filename() != checkpoint_name(step)) std::filesystem::remove_all(entry.path());
  }
}

}  // namespace gyre::raman
