#include "hub/paths.hpp"

#include <fnmatch.h>

#include <algorithm>

#include "base/error.hpp"

namespace gyre {
namespace {

constexpr std::size_t kLongestPath = 1024;
/// Less than a file system's 255, since a part of a file has a longer name for a while.
constexpr std::size_t kLongestComponent = 200;

bool is_control_byte(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

}  // namespace

std::string printable(std::string_view text) {
  constexpr std::size_t kMost = 80;
  std::string line(text.substr(0, kMost));
  std::replace_if(line.begin(), line.end(), is_control_byte, '?');
  return text.size() > kMost ? line + "…" : line;
}

void require_safe_path(const std::string& path, const std::string& host) {
  bool safe = !path.empty() && path.size() <= kLongestPath && std::none_of(path.begin(), path.end(), is_control_byte);
  for (std::size_t begin = 0; safe && begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view component = std::string_view(path).substr(begin, end - begin);
    // An empty component is a leading slash (an absolute path), a doubled one or one at the end.
    safe = !component.empty() && component.size() <= kLongestComponent && component != "." && component != "..";
    begin = end + 1;
  }
  if (!safe) throw Error("{}: refused the file name \"{}\", which could be written elsewhere", host, printable(path));
}

bool matches(const std::string& pattern, const std::string& path, bool any_folder) {
  const bool name_only = any_folder && pattern.find('/') == std::string::npos;
  const std::string text = name_only ? path.substr(path.rfind('/') + 1) : path;
  return ::fnmatch(pattern.c_str(), text.c_str(), FNM_PATHNAME) == 0;
}

}  // namespace gyre
