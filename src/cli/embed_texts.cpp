#include "cli/embed_texts.hpp"

#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/json_object.hpp"
#include "text/utf8.hpp"

namespace gyre::cli {
namespace {

std::string text_of_line(std::string_view line, const TextsOptions& options, const std::string& where) {
  require_utf8(line, where);
  if (!options.json_lines) return std::string(line);
  const nlohmann::json json = parse_json(line, where);
  return JsonObject(json, where).text(options.field);
}

}  // namespace

std::vector<std::string> read_texts(const TextsOptions& options) {
  const bool standard = options.file == "-";
  const std::string name = standard ? "standard input" : options.file;
  const std::string all =
      standard ? std::string(std::istreambuf_iterator<char>(std::cin), {}) : read_text(options.file);
  std::vector<std::string> texts;
  std::string_view rest = all;
  for (int number = 1; !rest.empty(); ++number) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::string where = fmt::format("{}, line {}", name, number);
    const std::string text = text_of_line(line, options, where);
    if (text.empty()) throw Error("{}: the text is empty; take the line out", where);
    texts.push_back(options.prefix + text);
  }
  if (texts.empty()) throw Error("{}: no texts; give one a line", name);
  return texts;
}

}  // namespace gyre::cli
