#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gyre {

/// What a study writes.
struct StudyFiles {
  std::filesystem::path page;
  std::filesystem::path data;  ///< beside it, as .json
};

/// Throws Error when the page cannot be written there, when both files would be one, when either is one of
/// `inputs` (files, or folders and all in them), or when the data would replace a file that no study wrote.
StudyFiles study_files(const std::filesystem::path& out, std::span<const std::filesystem::path> inputs);

/// The training step in the name of a checkpoint as training writes it ("step-001500"); nothing for other names.
std::optional<int> step_of(const std::filesystem::path& checkpoint);

/// A word as a POSIX shell reads it back.
std::string shell_word(std::string_view text);

}  // namespace gyre
