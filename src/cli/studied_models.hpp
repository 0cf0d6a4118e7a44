#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace gyre::cli {

/// The models given, a folder of checkpoints standing for all of them. In the order of their training steps when all
/// names tell one, else as they were given. Throws Error naming --model when a folder
/// holds none.
std::vector<std::filesystem::path> models_of(const std::vector<std::string>& given);

}  // namespace gyre::cli
