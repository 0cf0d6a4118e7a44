#include "text/examples.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "format/json_lines.hpp"
#include "format/json_object.hpp"

namespace gyre {
namespace {

/// How many of `groups` different ones are held out.
std::size_t held_out_of(std::size_t groups, double share) {
  if (share <= 0 || groups < 2) return 0;
  const auto rounded = static_cast<std::size_t>(std::llround(share * static_cast<double>(groups)));
  return std::clamp<std::size_t>(rounded, 1, groups - 1);
}

Example example_of(const JsonLine& line, const ExampleKeys& keys) {
  const nlohmann::json json = parse_json(line.text, line.where);
  const JsonObject object(json, line.where);
  Example example{object.text(keys.prompt),
                  object.text(keys.answer),
                  object.integer("level", 0, 1'000'000, 0),
                  object.text("labels", ""),
                  split_value(json, keys.split, line.where),
                  line.number};
  if (example.prompt.empty() || example.answer.empty()) {
    throw Error("{}: {} is empty; give text, or leave the line out", line.where,
                example.prompt.empty() ? keys.prompt : keys.answer);
  }
  return example;
}

}  // namespace

std::vector<Example> read_examples(const std::filesystem::path& file, const ExampleKeys& keys) {
  std::vector<Example> examples;
  for_each_json_line(file, [&](const JsonLine& line) { examples.push_back(example_of(line, keys)); });
  if (examples.empty()) throw Error("{}: no examples", file.string());
  return examples;
}

std::string split_value(const nlohmann::json& line, const std::string& key, const std::string& where) {
  if (key.empty()) return {};
  const auto found = line.find(key);
  if (found == line.end()) throw Error("{}: the key \"{}\", which splits the data, is missing", where, key);
  if (found->is_number_integer()) return found->dump();
  if (found->is_string() && !found->get_ref<const std::string&>().empty()) return found->get<std::string>();
  throw Error("{}: {}, which splits the data, must be text or a whole number, found {}", where, key, found->dump());
}

std::vector<bool> held_out(std::span<const SplitPlace> places, double share) {
  std::unordered_map<std::string_view, int> level_of;
  for (const SplitPlace& place : places) level_of.try_emplace(place.group, place.level);
  std::map<int, std::vector<std::pair<std::string, std::string_view>>> ranked;  // by hash, per level
  for (const auto& [group, level] : level_of) {
    ranked[level].emplace_back(sha256(std::as_bytes(std::span(group))), group);
  }
  std::unordered_set<std::string_view> chosen;
  for (auto& [level, groups] : ranked) {
    std::sort(groups.begin(), groups.end());
    groups.resize(held_out_of(groups.size(), share));
    for (const auto& [hash, group] : groups) chosen.insert(group);
  }
  std::vector<bool> out;
  out.reserve(places.size());
  for (const SplitPlace& place : places) out.push_back(chosen.contains(place.group));
  return out;
}

ExampleSplit split_examples(const std::vector<Example>& examples, double share) {
  std::vector<SplitPlace> places;
  places.reserve(examples.size());
  for (const Example& example : examples) {
    places.push_back({example.group.empty() ? example.prompt : example.group, example.level});
  }
  const std::vector<bool> validates = held_out(places, share);
  std::set<std::tuple<std::string_view, std::string_view, std::string_view>> seen;
  ExampleSplit split;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const Example& example = examples[i];
    if (!validates[i]) {
      split.training.push_back(example);
    } else if (seen.emplace(example.prompt, example.answer, example.labels).second) {
      split.validation.push_back(example);
    }
  }
  return split;
}

}  // namespace gyre
