#include "text/examples.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/json_object.hpp"

namespace gyre {

std::vector<Example> read_examples(const std::filesystem::path& file) {
  const MappedFile mapped(file);
  std::string_view rest = mapped.text();
  std::vector<Example> examples;
  for (int line = 1; !rest.empty(); ++line) {
    const std::string_view text = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), text.size() + 1));
    if (text.empty()) continue;
    const std::string where = fmt::format("{}, line {}", file.string(), line);
    const nlohmann::json json = parse_json(text, where);
    const JsonObject object(json, where);
    Example example{object.text("prompt"), object.text("answer"), object.integer("level", 0, 1'000'000, 0),
                    object.text("labels", "")};
    if (example.prompt.empty() || example.answer.empty()) throw Error("{}: prompt or answer is empty", where);
    examples.push_back(std::move(example));
  }
  if (examples.empty()) throw Error("{}: no examples", file.string());
  return examples;
}

}  // namespace gyre
