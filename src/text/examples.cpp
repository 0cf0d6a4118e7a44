#include "text/examples.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/hash.hpp"
#include "format/json_object.hpp"

namespace gyre {
namespace {

/// How many of `prompts` different ones validate.
std::size_t held_out(std::size_t prompts, double share) {
  if (share <= 0 || prompts < 2) return 0;
  const auto rounded = static_cast<std::size_t>(std::llround(share * static_cast<double>(prompts)));
  return std::clamp<std::size_t>(rounded, 1, prompts - 1);
}

/// The prompts that validate.
std::set<std::string_view> validation_prompts(const std::vector<Example>& examples, double share) {
  std::unordered_map<std::string_view, int> level_of;
  for (const Example& example : examples) level_of.try_emplace(example.prompt, example.level);
  std::map<int, std::vector<std::pair<std::string, std::string_view>>> ranked;  // by hash, per level
  for (const auto& [prompt, level] : level_of) {
    ranked[level].emplace_back(sha256(std::as_bytes(std::span(prompt))), prompt);
  }
  std::set<std::string_view> chosen;
  for (auto& [level, prompts] : ranked) {
    std::sort(prompts.begin(), prompts.end());
    prompts.resize(held_out(prompts.size(), share));
    for (const auto& [hash, prompt] : prompts) chosen.insert(prompt);
  }
  return chosen;
}

}  // namespace

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

ExampleSplit split_examples(const std::vector<Example>& examples, double share) {
  const std::set<std::string_view> chosen = validation_prompts(examples, share);
  std::set<std::tuple<std::string_view, std::string_view, std::string_view>> seen;
  ExampleSplit split;
  for (const Example& example : examples) {
    if (!chosen.contains(example.prompt)) {
      split.training.push_back(example);
    } else if (seen.emplace(example.prompt, example.answer, example.labels).second) {
      split.validation.push_back(example);
    }
  }
  return split;
}

}  // namespace gyre
