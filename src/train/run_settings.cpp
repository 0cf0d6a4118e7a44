#include "train/run_settings.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "base/error.hpp"

namespace gyre {
namespace {

/// {"groups[0].loops": 4, …}: every value by the path to it.
void flatten(const nlohmann::json& json, const std::string& path, std::map<std::string, std::string>& values) {
  if (json.is_object() && !json.empty()) {
    for (const auto& [key, value] : json.items()) {
      flatten(value, path.empty() ? key : fmt::format("{}.{}", path, key), values);
    }
  } else if (json.is_array() && !json.empty() && json[0].is_object()) {
    for (std::size_t i = 0; i < json.size(); ++i) flatten(json[i], fmt::format("{}[{}]", path, i), values);
  } else {
    values[path] = json.dump();
  }
}

std::map<std::string, std::string> flat(const nlohmann::json& settings) {
  std::map<std::string, std::string> values;
  for (const auto& [key, value] : settings.items()) flatten(value, key == "model" ? "" : key, values);
  return values;
}

std::string described(const std::vector<SettingChange>& changes) {
  std::string text;
  for (const SettingChange& change : changes) {
    text +=
        fmt::format("{}{} is {} there and {} here", text.empty() ? "" : ", ", change.key, change.before, change.now);
  }
  return text;
}

}  // namespace

nlohmann::json run_settings(const ModelSpec& spec, const TrainConfig& config, const std::string& data_digest,
                            const std::string& tokenizer_digest, const std::string& from_digest) {
  nlohmann::json settings = {{"model", to_json(spec)},
                             {"training", to_json(config)},
                             {"data_sha256", data_digest},
                             {"tokenizer_sha256", tokenizer_digest}};
  if (!from_digest.empty()) settings["from_sha256"] = from_digest;
  return settings;
}

std::vector<SettingChange> changes_between(const nlohmann::json& before, const nlohmann::json& now) {
  constexpr const char* kAbsent = "absent";
  const std::map<std::string, std::string> old_values = flat(before);
  const std::map<std::string, std::string> new_values = flat(now);
  std::vector<SettingChange> changes;
  for (const auto& [key, value] : new_values) {
    const auto found = old_values.find(key);
    const std::string old_value = found == old_values.end() ? kAbsent : found->second;
    if (old_value != value) changes.push_back({key, old_value, value});
  }
  for (const auto& [key, value] : old_values) {
    if (!new_values.contains(key)) changes.push_back({key, value, kAbsent});
  }
  return changes;
}

bool may_change(std::string_view key) {
  constexpr std::array<std::string_view, 13> kFree = {"name",
                                                      "training.steps",
                                                      "training.evaluate_every",
                                                      "training.evaluate_windows",
                                                      "training.evaluate_loops",
                                                      "training.checkpoint_every",
                                                      "training.checkpoint_at",
                                                      "training.export_bf16",
                                                      "grpo.steps",
                                                      "grpo.evaluate_every",
                                                      "grpo.evaluate_prompts",
                                                      "grpo.checkpoint_every",
                                                      "grpo.completions_every"};
  return std::find(kFree.begin(), kFree.end(), key) != kFree.end();
}

std::vector<SettingChange> require_same_run(const nlohmann::json& before, const nlohmann::json& now,
                                            const std::string& where, int step) {
  std::vector<SettingChange> allowed;
  std::vector<SettingChange> refused;
  for (SettingChange& change : changes_between(before, now)) {
    (may_change(change.key) ? allowed : refused).push_back(std::move(change));
  }
  if (!refused.empty()) {
    throw Error(
        "{} is of another run: {}; resume with the settings and data it was begun with, or give "
        "another folder",
        where, described(refused));
  }
  if (const int steps = now.at(now.contains("grpo") ? "grpo" : "training").at("steps"); step > steps) {
    throw Error("{} is of step {}, beyond the {} steps asked for; ask for more, or give another folder", where, step,
                steps);
  }
  return allowed;
}

void tell_changes(const std::vector<SettingChange>& changes) {
  for (const SettingChange& change : changes) {
    fmt::print(stderr, "resumed: {} was {} and is {} from here on\n", change.key, change.before, change.now);
  }
}

nlohmann::json settings_of_config(const nlohmann::json& config, const std::string& where) {
  const ModelSpec spec = parse_spec(config, where);
  const TrainConfig training =
      config.contains("training") ? parse_train_config(config.at("training"), where + ": training") : TrainConfig();
  if (training.layout == DataLayout::answers) {
    throw Error(
        "{} is of an older program, which divided examples by their place in the file and not by "
        "prompt; it cannot go on here; give another folder",
        where);
  }
  return {{"model", to_json(spec)}, {"training", to_json(training)}};
}

}  // namespace gyre
