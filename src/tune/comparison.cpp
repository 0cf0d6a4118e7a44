#include "tune/comparison.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.hpp"
#include "format/json_lines.hpp"
#include "format/json_object.hpp"

namespace gyre {
namespace {

constexpr double kEloScale = 400.0;
constexpr double kEloMean = 1000.0;

/// The numbers of one measure, [lists, prompts].
struct Measure {
  std::string name;
  std::vector<std::vector<double>> values;
};

std::string place_of(const Completions& list, std::size_t item) {
  if (item < list.lines.size()) return fmt::format("{}, line {}", list.name, list.lines[item]);
  return fmt::format("{}: completion {}", list.name, item + 1);
}

void require_same_prompts(std::span<const Completions> lists) {
  if (lists.empty() || lists.front().items.empty()) throw Error("there are no completions to judge");
  for (const Completions& list : lists) {
    if (list.items.size() != lists.front().items.size()) {
      throw Error("{}: {} completions, {} has {}; lists are compared prompt by prompt", list.name, list.items.size(),
                  lists.front().name, lists.front().items.size());
    }
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (list.items[i].prompt == lists.front().items[i].prompt) continue;
      throw Error("{} is of another prompt than that of {}; lists are compared prompt by prompt", place_of(list, i),
                  lists.front().name);
    }
  }
}

/// Numbers that come of other references say nothing of who answered better.
void require_same_references(std::span<const Completions> lists, std::span<const Reward> rewards) {
  const auto text_of = [](const RewardItem& item, const std::string& column) {
    const auto found = item.columns.find(column);
    return found == item.columns.end() ? nlohmann::json() : *found;
  };
  for (const Completions& list : lists) {
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      for (const Reward& reward : rewards) {
        if (reward.column.empty()) continue;
        if (text_of(list.items[i], reward.column) == text_of(lists.front().items[i], reward.column)) continue;
        throw Error("{} has another \"{}\" than {} has for the same prompt; judge all lists by the same",
                    place_of(list, i), reward.column, lists.front().name);
      }
    }
  }
}

RewardTable judge_list(std::span<const Reward> rewards, const Completions& list) {
  try {
    return judge(rewards, list.items);
  } catch (const ItemError& failure) {
    throw Error("{} {}", place_of(list, failure.item()), failure.mistake());
  }
}

/// How often each list was preferred to each other, prompts taken so many times.
std::vector<std::vector<double>> wins_of(const Measure& total, std::span<const double> times) {
  const std::size_t lists = total.values.size();
  std::vector<std::vector<double>> wins(lists, std::vector<double>(lists, 0.0));
  for (std::size_t p = 0; p < times.size(); ++p) {
    for (std::size_t i = 0; i < lists; ++i) {
      for (std::size_t j = 0; j < lists; ++j) {
        if (i == j) continue;
        const double a = total.values[i][p];
        const double b = total.values[j][p];
        wins[i][j] += times[p] * (a > b ? 1.0 : a == b ? 0.5 : 0.0);
      }
    }
  }
  return wins;
}

}  // namespace

Completions read_completions(const std::filesystem::path& file) {
  Completions list{file.string(), {}, {}};
  for_each_json_line(file, [&](const JsonLine& line) {
    RewardItem item;
    item.columns = parse_json(line.text, line.where);
    const JsonObject object(item.columns, line.where);
    item.prompt = object.text("prompt");
    item.completion = object.text("completion");
    item.tokens = object.integer("tokens", 0, 1 << 30, 0);
    item.truncated = object.boolean("truncated", false);
    list.items.push_back(std::move(item));
    list.lines.push_back(line.number);
  });
  return list;
}

std::vector<double> elo_ratings(const std::vector<std::vector<double>>& wins) {
  constexpr int kRounds = 1000;
  constexpr double kAdded = 0.5;
  const std::size_t n = wins.size();
  std::vector<double> strength(n, 1.0);
  // Hunter 2004, equation 3: each round makes the likelihood larger.
  for (int round = 0; round < kRounds; ++round) {
    std::vector<double> next(n);
    for (std::size_t i = 0; i < n; ++i) {
      double won = 0;
      double weight = 0;
      for (std::size_t j = 0; j < n; ++j) {
        if (i == j) continue;
        won += wins[i][j] + kAdded;
        weight += (wins[i][j] + wins[j][i] + 2 * kAdded) / (strength[i] + strength[j]);
      }
      next[i] = n == 1 ? 1.0 : won / weight;
    }
    strength = std::move(next);
  }
  std::vector<double> ratings;
  for (const double value : strength) ratings.push_back(kEloScale * std::log10(value));
  const double mean = std::accumulate(ratings.begin(), ratings.end(), 0.0) / static_cast<double>(n);
  for (double& rating : ratings) rating += kEloMean - mean;
  return ratings;
}

std::vector<JudgedList> compare_completions(std::span<const Completions> lists, std::span<const Reward> rewards) {
  require_same_prompts(lists);
  require_same_references(lists, rewards);
  const std::size_t prompts = lists.front().items.size();
  std::vector<Measure> measures;
  for (const Reward& reward : rewards) measures.push_back({reward.name, {}});
  Measure total{"total", {}};
  Measure tokens{"tokens", {}};
  for (const Completions& list : lists) {
    RewardTable table = judge_list(rewards, list);
    for (std::size_t r = 0; r < rewards.size(); ++r) measures[r].values.push_back(std::move(table.parts[r]));
    total.values.push_back(std::move(table.totals));
    std::vector<double> lengths;
    for (const RewardItem& item : list.items) lengths.push_back(item.tokens);
    tokens.values.push_back(std::move(lengths));
  }
  measures.push_back(total);
  measures.push_back(std::move(tokens));

  const Bootstrap bootstrap(prompts);
  const std::vector<double> ones(prompts, 1.0);
  std::vector<JudgedList> judged;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    JudgedList list{lists[i].name, {}, {}};
    for (const Measure& measure : measures) {
      list.measures.push_back({measure.name, bootstrap.ratio(measure.values[i], ones),
                               bootstrap.difference(measure.values[i], measure.values.front(), ones)});
    }
    list.elo = bootstrap.of([&](std::span<const double> times) { return elo_ratings(wins_of(total, times))[i]; });
    judged.push_back(std::move(list));
  }
  return judged;
}

}  // namespace gyre
