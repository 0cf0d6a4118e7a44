#include "format/json_lines.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.hpp"

namespace gyre {

void for_each_json_line(const std::filesystem::path& file, const std::function<void(const JsonLine&)>& see) {
  const MappedFile mapped(file);
  std::string_view rest = mapped.text();
  for (int number = 1; !rest.empty(); ++number) {
    const std::string_view text = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), text.size() + 1));
    if (!text.empty()) see({text, number, fmt::format("{}, line {}", file.string(), number)});
  }
}

}  // namespace gyre
