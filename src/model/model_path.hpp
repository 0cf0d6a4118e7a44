#pragma once

#include <filesystem>

namespace gyre {

/// Where a model lies: `path` itself, a GGUF file or a folder; or, where that is the folder of a model in the cache of
/// Hugging Face (models--ORG--NAME, or the snapshots in it), the snapshot that its refs/main names, or without that the
/// only one. Throws Error when nothing is there, or there are several.
std::filesystem::path resolve_model_path(const std::filesystem::path& path);

/// Throws Error, saying what the folder holds instead, unless it holds the file `name`.
void require_model_file(const std::filesystem::path& folder, const char* name);

}  // namespace gyre
