#include "tune/reward.hpp"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "base/error.hpp"
#include "text/utf8.hpp"
#include "tune/rewards/kinds.hpp"

namespace gyre {
namespace {

constexpr double kMostWeight = 1e6;

const RewardKind& kind_named(const std::string& name, const std::string& where) {
  std::string names;
  for (const RewardKind& kind : reward_kinds()) {
    if (kind.name == name) return kind;
    names += (names.empty() ? "" : ", ") + std::string(kind.name);
  }
  throw Error("{}: there is no reward \"{}\"; choose one of {}", where, name, names);
}

Reward reward_of(const nlohmann::json& json, const std::string& where, const RewardTools& tools) {
  const RewardOptions options{JsonObject(json, where), where};
  const RewardKind& kind = kind_named(options.object.text("kind"), where);
  std::vector<std::string_view> keys = {"kind", "name", "weight"};
  keys.insert(keys.end(), kind.keys.begin(), kind.keys.end());
  options.object.allow(keys);
  const double weight = options.object.number("weight", -kMostWeight, kMostWeight, 1.0F);
  Reward reward{options.object.text("name", std::string(kind.name)), weight, kind.make(options, tools)};
  if (options.object.has("column") || !kind.column.empty()) {
    reward.column = options.object.text("column", std::string(kind.column));
  }
  reward.asks_others = kind.asks_others;
  return reward;
}

void require_numbers(const Reward& reward, std::span<const double> values, std::size_t items) {
  if (values.size() != items) {
    throw Error("reward {}: it gave {} numbers for {} items", reward.name, values.size(), items);
  }
  for (std::size_t i = 0; i < items; ++i) {
    if (!std::isfinite(values[i])) {
      throw Error("reward {}: item {} of the batch got {}, which is no finite number", reward.name, i, values[i]);
    }
  }
}

}  // namespace

const std::vector<RewardKind>& reward_kinds() {
  static const std::vector<RewardKind> kinds = {rouge_reward(),  correct_reward(), form_reward(),
                                                length_reward(), command_reward(), semantic_reward()};
  return kinds;
}

std::vector<Reward> parse_rewards(const nlohmann::json& list, const std::string& where, const RewardTools& tools) {
  if (!list.is_array() || list.empty()) {
    throw Error("{}: expected a list of rewards such as [{{\"kind\": \"rouge\"}}], found {}", where,
                list.is_array() ? "an empty one" : list.type_name());
  }
  std::vector<Reward> rewards;
  std::set<std::string> names;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string place = fmt::format("{}[{}]", where, i);
    rewards.push_back(reward_of(list[i], place, tools));
    if (names.insert(rewards.back().name).second) continue;
    throw Error("{}: there is a reward \"{}\" already; give this one a \"name\" of its own", place,
                rewards.back().name);
  }
  return rewards;
}

RewardTable judge(std::span<const Reward> rewards, std::span<const RewardItem> items) {
  RewardTable table;
  table.totals.assign(items.size(), 0);
  for (const Reward& reward : rewards) {
    std::vector<double> values = reward.judge(items);
    require_numbers(reward, values, items.size());
    for (std::size_t i = 0; i < items.size(); ++i) table.totals[i] += reward.weight * values[i];
    table.names.push_back(reward.name);
    table.parts.push_back(std::move(values));
  }
  return table;
}

std::string as_utf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = read_utf8(text);
    append_utf8(valid, step.code_point);
    text.remove_prefix(step.length);
  }
  return valid;
}

const std::string& column_text(const RewardItem& item, const std::string& column, std::size_t number) {
  const auto found = item.columns.find(column);
  if (found == item.columns.end() || !found->is_string()) {
    throw ItemError(number, fmt::format("has no text in the column \"{}\"; its example must hold one", column));
  }
  const auto& text = found->get_ref<const std::string&>();
  if (text.empty()) throw ItemError(number, fmt::format("has an empty \"{}\"; leave its example out", column));
  return text;
}

}  // namespace gyre
