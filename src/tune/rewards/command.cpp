#include <cmath>
#include <memory>
#include <optional>

#include "base/error.hpp"
#include "tune/line_process.hpp"
#include "tune/rewards/kinds.hpp"

namespace gyre {
namespace {

std::vector<std::string> command_of(const RewardOptions& options) {
  std::vector<std::string> command;
  for (const nlohmann::json& word : options.object.array("command")) {
    if (!word.is_string()) throw Error("{}: command holds {}; give texts", options.where, word.dump());
    command.push_back(word.get<std::string>());
  }
  if (command.empty() || command[0].empty()) {
    throw Error("{}: command is empty; give a program and its arguments, such as [\"python3\", \"reward.py\"]",
                options.where);
  }
  return command;
}

std::string line_of(const RewardItem& item) {
  const nlohmann::json json = {{"prompt", item.prompt},
                               {"completion", item.completion},
                               {"tokens", item.tokens},
                               {"truncated", item.truncated},
                               {"columns", item.columns}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

double reward_in(std::string_view line, const std::string& program, std::size_t item) {
  const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
  const bool fits = json.is_object() && json.size() == 1 && json.contains("reward") && json["reward"].is_number();
  if (!fits || !std::isfinite(json["reward"].get<double>())) {
    throw Error("{}: item {} of the batch was answered by {}; a line {{\"reward\": number}} is wanted", program, item,
                line.substr(0, 80));
  }
  return json["reward"].get<double>();
}

/// Asks a program, which is started with the first batch and kept. One that failed is ended, and started anew for the
/// next batch.
class CommandReward {
 public:
  CommandReward(std::vector<std::string> command, std::chrono::milliseconds patience)
      : command_(std::move(command)), patience_(patience) {}

  std::vector<double> operator()(std::span<const RewardItem> items) {
    std::vector<std::string> lines;
    lines.reserve(items.size());
    for (const RewardItem& item : items) lines.push_back(line_of(item));
    std::vector<double> rewards(items.size());
    // It lives on where nothing is thrown.
    std::unique_ptr<LineProcess> process = process_ ? std::move(process_) : std::make_unique<LineProcess>(command_);
    process->ask(lines, patience_, [&](std::size_t item, std::string_view line) {
      rewards[item] = reward_in(line, process->name(), item);
    });
    process_ = std::move(process);
    return rewards;
  }

 private:
  std::vector<std::string> command_;
  std::chrono::milliseconds patience_;
  std::unique_ptr<LineProcess> process_;
};

}  // namespace

RewardKind command_reward() {
  return {
      "command",
      "what a program says: it reads lines {\"prompt\", \"completion\", \"tokens\", \"truncated\", \"columns\"} and "
      "writes a line {\"reward\": number} for each; `timeout` seconds (60) for an answer",
      {"command", "timeout"},
      [](const RewardOptions& options, const RewardTools&) -> RewardFunction {
        const double seconds = options.object.number("timeout", 0.01, 86400, 60.0F);
        const auto patience = std::chrono::milliseconds(std::llround(1000 * seconds));
        const auto reward = std::make_shared<CommandReward>(command_of(options), patience);
        return [reward](std::span<const RewardItem> items) { return (*reward)(items); };
      },
      {},
      true};
}

}  // namespace gyre
