#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace gyre {

/// The checkpoint of the highest step below `folder`, if any.
std::optional<std::filesystem::path> latest_checkpoint(const std::filesystem::path& folder);

/// Removes what a killed run left half written in `folder`.
void remove_unfinished(const std::filesystem::path& folder);

/// "step-001500".
std::string checkpoint_name(int step);

}  // namespace gyre
