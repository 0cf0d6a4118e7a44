#include "hub/settings.hpp"

#include <algorithm>
#include <cstdlib>

#include "base/error.hpp"
#include "base/file.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestToken = 4096;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

fs::path home_folder() {
  if (const std::string home = variable("HF_HOME"); !home.empty()) return fs::absolute(home);
  if (const std::string cache = variable("XDG_CACHE_HOME"); !cache.empty()) return fs::absolute(cache) / "huggingface";
  if (const std::string home = variable("HOME"); !home.empty()) return fs::absolute(home) / ".cache" / "huggingface";
  throw Error("neither HF_HOME nor HOME says where models are kept; set HF_HOME or name a folder");
}

std::string trimmed(const std::string& text) {
  constexpr const char* kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

/// A token becomes part of a header, where a line break would begin another one.
std::string checked_token(const std::string& text, const std::string& where) {
  std::string token = trimmed(text);
  const bool plain = std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (!plain || token.size() > kLongestToken) throw Error("{}: holds something that is no token", where);
  return token;
}

std::string find_token(const fs::path& home) {
  if (std::string token = checked_token(variable("HF_TOKEN"), "HF_TOKEN"); !token.empty()) return token;
  const fs::path file = home / "token";
  std::error_code failure;
  return fs::is_regular_file(file, failure) ? checked_token(read_text(file), file.string()) : "";
}

}  // namespace

HubSettings settings_from_environment() {
  std::string endpoint = trimmed(variable("HF_ENDPOINT"));
  if (endpoint.empty()) endpoint = "https://huggingface.co";
  while (endpoint.ends_with('/')) endpoint.pop_back();
  HubSettings settings;
  settings.endpoint = parse_url(endpoint, "HF_ENDPOINT");
  settings.home = home_folder();
  settings.token = find_token(settings.home);
  return settings;
}

}  // namespace gyre
