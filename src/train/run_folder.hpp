#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace gyre {

/// The checkpoint of the highest step below `folder`, if any.
std::optional<std::filesystem::path> latest_checkpoint(const std::filesystem::path& folder);

/// The checkpoint in the run folder `out` to go on from, if any. Throws Error when `out` holds a run and no resuming
/// was asked for, or a finished model or adapter that would be lost.
std::optional<std::filesystem::path> checkpoint_to_resume(const std::filesystem::path& out, bool resume);

/// Removes what a killed run left half written in `folder`.
void remove_unfinished(const std::filesystem::path& folder);

/// "step-001500".
std::string checkpoint_name(int step);

}  // namespace gyre
