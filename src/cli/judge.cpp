#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "cli/checks.hpp"
#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "study/statistics_json.hpp"
#include "tune/comparison.hpp"
#include "tune/reward_encoder.hpp"

namespace gyre::cli {
namespace {

struct JudgeRequest {
  std::string config;
  std::vector<std::string> files;
  int threads = 0;
  bool json = false;
};

std::string shown(const Estimate& estimate, int digits) {
  return fmt::format("{:.{}f} ({:.{}f} {:.{}f})", estimate.value, digits, estimate.interval.low, digits,
                     estimate.interval.high, digits);
}

void print_table(const std::vector<JudgedList>& lists) {
  fmt::print("{:<28} {:<12} {:>26} {:>28}\n", "completions", "measure", "mean (95 %)", "- the first list (95 %)");
  for (std::size_t i = 0; i < lists.size(); ++i) {
    for (const JudgedMeasure& measure : lists[i].measures) {
      fmt::print("{:<28} {:<12} {:>26} {:>28}\n", lists[i].name, measure.name, shown(measure.mean, 4),
                 i == 0 ? "" : shown(measure.against_first, 4));
    }
    if (lists.size() > 1) fmt::print("{:<28} {:<12} {:>26}\n", lists[i].name, "Elo", shown(lists[i].elo, 0));
  }
  fmt::print("{} prompts. Elo is of the total reward, prompt by prompt: of this judge alone.\n",
             lists.front().elo.units);
}

nlohmann::json to_json(const std::vector<JudgedList>& lists, const JudgeRequest& request,
                       const std::string& encoder_sha256) {
  nlohmann::json json = {
      {"config", request.config}, {"encoder_sha256", encoder_sha256}, {"prompts", lists.front().elo.units}};
  for (const JudgedList& list : lists) {
    nlohmann::json row = {{"completions", list.name}, {"elo_of_this_judge", estimate_json(list.elo)}};
    for (const JudgedMeasure& measure : list.measures) {
      row["measures"][measure.name] = {{"mean", estimate_json(measure.mean)},
                                       {"minus_first", estimate_json(measure.against_first)}};
    }
    json["lists"].push_back(std::move(row));
  }
  return json;
}

void run_judge(const JudgeRequest& request) {
  const JudgePlan plan = load_judge_plan(request.config);
  const LoadedRewards loaded = load_rewards(plan, request.threads, interrupt());
  std::vector<Completions> lists;
  for (const std::string& file : request.files) lists.push_back(read_completions(file));
  const std::vector<JudgedList> judged = compare_completions(lists, loaded.rewards);
  request.json ? fmt::print("{}\n", to_json(judged, request, loaded.encoder_sha256).dump(2)) : print_table(judged);
}

}  // namespace

void add_judge(CLI::App& program) {
  auto request = std::make_shared<JudgeRequest>();
  CLI::App* command = program.add_subcommand("judge", "Compare what models wrote by rewards, prompt by prompt");
  command->add_option("--config", request->config, R"(Measures: {"rewards", "encoder"} (JSON), as for gyre grpo)")
      ->required();
  command
      ->add_option("completions", request->files, R"(JSON lines {"prompt", "completion", ...}, such as held_out.jsonl)")
      ->required();
  add_threads_option(*command, request->threads);
  command->add_flag("--json", request->json, "Print JSON");
  command->footer(
      "Differences from the first list are paired by prompt, with 95 % bootstrap intervals. Judge by another encoder\n"
      "than the one whose cosine was the reward.\n"
      "Examples:\n"
      "  gyre judge --config judge.json sft/held_out.jsonl semantic/held_out.jsonl rouge/held_out.jsonl");
  command->callback([request] { run_judge(*request); });
}

}  // namespace gyre::cli
