#pragma once

#include <filesystem>
#include <string>

#include "hub/url.hpp"

namespace gyre {

/// Where the hub is, who asks, and where its files are kept. The variables are those of the hub's own programs.
struct HubSettings {
  Url endpoint;                ///< HF_ENDPOINT, or https://huggingface.co
  std::string token;           ///< HF_TOKEN, or what the file "token" in `home` holds; empty: none
  std::filesystem::path home;  ///< HF_HOME, or huggingface in XDG_CACHE_HOME or ~/.cache; absolute
};

/// Reads the environment. Throws Error that names the variable or file that is wrong; a token is never shown.
HubSettings settings_from_environment();

}  // namespace gyre
