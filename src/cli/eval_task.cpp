#include "cli/eval_task.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/hash.hpp"
#include "base/progress.hpp"
#include "cli/checks.hpp"
#include "cli/measured.hpp"
#include "study/tasks/numbers.hpp"
#include "study/tasks/task_evaluation.hpp"

namespace gyre::cli {
namespace {

const Task& task_of(const std::string& text) {
  const std::size_t colon = text.find(':');
  try {
    const Task& task = task_named(text.substr(0, colon));
    if (colon == std::string::npos || colon + 1 == text.size()) throw Error("no file; give {}:FILE", task.name);
    return task;
  } catch (const Error& failure) {
    throw Error("--task {}: {}", text, failure.what());
  }
}

std::string interval_text(const Interval& interval) {
  if (!std::isfinite(interval.low)) return "of one item";
  return fmt::format("{:.4g} to {:.4g}", interval.low, interval.high);
}

nlohmann::json interval_json(const Interval& interval) { return {interval.low, interval.high}; }

nlohmann::json metric_json(const TaskMetric& metric, bool first) {
  nlohmann::json json = {{"value", metric.value}, {"value_95", interval_json(metric.interval)}};
  if (first) return json;
  const char* key = metric.is_perplexity() ? "ratio_to_first" : "difference_to_first";
  json[key] = metric.difference;
  json[std::string(key) + "_95"] = interval_json(metric.difference_interval);
  json["verdict"] = metric.verdict();
  return json;
}

nlohmann::json items_json(const TaskResult& row, std::span<const TaskItem> items) {
  nlohmann::json list = nlohmann::json::array();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const TaskOutcome& outcome = row.outcomes[i];
    nlohmann::json json = {{"where", items[i].where},
                           {"loops_per_token", outcome.loops / outcome.tokens},
                           {"dropped_tokens", outcome.dropped}};
    for (const TaskMetric& metric : row.metrics) {
      json[metric.is_perplexity() ? "log_likelihood" : metric.name] = metric.values[i];
    }
    if (items[i].kind == TaskKind::number) {
      json["text"] = outcome.text;
      json["reference"] = items[i].reference;
      json["number_strict"] = strict_number(outcome.text);
      json["number_flexible"] = flexible_number(outcome.text);
    } else {
      json["right"] = items[i].right;
      json["chosen"] = outcome.chosen;
      json["answers"] = nlohmann::json::array();
      for (const AnswerScore& answer : outcome.answers) {
        json["answers"].push_back(
            {{"log_likelihood_nats", answer.log_likelihood}, {"tokens", answer.tokens}, {"greedy", answer.greedy}});
      }
    }
    list.push_back(std::move(json));
  }
  return list;
}

nlohmann::json task_json(const TaskFile& given, const std::vector<TaskResult>& rows, const TaskFlags& flags,
                         const TaskOptions& options) {
  nlohmann::json json = task_file_json(given, flags);
  json["rows"] = nlohmann::json::array();
  if (given.items.front().kind == TaskKind::number) json["answer_tokens"] = options.answer_tokens;
  for (const TaskResult& row : rows) {
    nlohmann::json metrics = nlohmann::json::object();
    for (const TaskMetric& metric : row.metrics) metrics[metric.name] = metric_json(metric, &row == &rows.front());
    nlohmann::json one = {{"exit", row.rule},
                          {"metrics", metrics},
                          {"loops_per_token", row.loops_per_token},
                          {"milliseconds_per_item", row.milliseconds_per_item},
                          {"shortened_items", row.shortened}};
    if (flags.items) one["item_results"] = items_json(row, given.items);
    json["rows"].push_back(std::move(one));
  }
  return json;
}

void print_task(const TaskFile& given, const std::vector<TaskResult>& rows, const TaskFlags& flags) {
  fmt::print("{}: {} items of {}, {} shown before each\n", given.task->name, given.items.size(), given.file,
             flags.shots);
  std::size_t width = 4;
  for (const TaskResult& row : rows) width = std::max(width, row.rule.size());
  fmt::print("{:{}}  {:20} {:>9} {:>20} {:>11} {:>9}\n", "exit", width, "measure", "value", "95 % interval",
             "loops/token", "ms/item");
  for (const TaskResult& row : rows) {
    for (const TaskMetric& metric : row.metrics) {
      fmt::print("{:{}}  {:20} {:9.4f} {:>20} {:11.3f} {:9.1f}\n", row.rule, width, metric.name, metric.value,
                 interval_text(metric.interval), row.loops_per_token, row.milliseconds_per_item);
    }
    if (row.shortened > 0) {
      fmt::print("{}: {} items were longer than the window; their beginning was left out\n", row.rule, row.shortened);
    }
  }
  for (const TaskResult& row : std::span(rows).subspan(1)) {
    for (const TaskMetric& metric : row.metrics) {
      fmt::print("{} against {}, item by item: {} {} {:.4g} ({}): {}\n", row.rule, rows.front().rule, metric.name,
                 metric.is_perplexity() ? "times" : "by", metric.difference, interval_text(metric.difference_interval),
                 metric.verdict());
    }
  }
}

}  // namespace

void add_task_flags(CLI::App& command, TaskFlags& flags) {
  std::vector<std::string_view> names;
  for (const Task& task : tasks()) names.push_back(task.name);
  command.add_option("--task", flags.tasks,
                     fmt::format("A benchmark and its file, as in piqa:FILE, scored as lm-evaluation-harness does it "
                                 "(give several for several): {}",
                                 fmt::join(names, ", ")));
  command.add_option("--limit", flags.limit, "Only so many items of each task, from the first on")
      ->check(whole_number(1));
  command
      .add_option("--shots", flags.shots, "Show the file's first so many items, with answers, before every question")
      ->check(whole_number(0, 10'000))
      ->capture_default_str();
  command.add_option("--answer-tokens", flags.answer_tokens, "Most tokens of a generated answer (default: 256)")
      ->check(whole_number(1, 1 << 20));
  command.add_flag("--items", flags.items, "With --json: what came of every item");
}

void check_task_flags(const TaskFlags& flags, bool json) {
  for (const std::string& text : flags.tasks) task_of(text);
  const auto refuse = [&](bool given, std::string_view flag) {
    if (given && flags.tasks.empty()) throw Error("{}: it says something of a --task only; leave it out", flag);
  };
  refuse(flags.limit > 0, "--limit");
  refuse(flags.shots > 0, "--shots");
  refuse(flags.answer_tokens > 0, "--answer-tokens");
  refuse(flags.items, "--items");
  if (flags.items && !json) throw Error("--items: what came of every item is printed as JSON; give --json too");
}

std::vector<TaskFile> read_tasks(const TaskFlags& flags) {
  std::vector<TaskFile> all;
  for (const std::string& text : flags.tasks) {
    const Task& task = task_of(text);
    TaskFile& given = all.emplace_back(TaskFile{&task, text.substr(text.find(':') + 1), {}});
    const std::size_t most = flags.limit > 0 ? static_cast<std::size_t>(flags.limit) : SIZE_MAX - 10'000;
    given.items = read_task(task, given.file, most + static_cast<std::size_t>(flags.shots));
    try {
      given.items = with_shots(std::move(given.items), static_cast<std::size_t>(flags.shots));
    } catch (const Error& failure) {
      throw Error("--shots {}: {}: {}", flags.shots, given.file, failure.what());
    }
  }
  const bool generates = std::any_of(
      all.begin(), all.end(), [](const TaskFile& given) { return given.items.front().kind == TaskKind::number; });
  if (flags.answer_tokens > 0 && !generates) throw Error("--answer-tokens: no answer of these tasks is generated");
  return all;
}

nlohmann::json task_file_json(const TaskFile& given, const TaskFlags& flags) {
  const MappedFile file(given.file);
  return {{"task", given.task->name},
          {"data", given.file},
          {"data_sha256", sha256(file.bytes())},
          {"scored_by", name_of(given.items.front().kind)},
          {"items", given.items.size()},
          {"limit", flags.limit > 0 ? nlohmann::json(flags.limit) : nlohmann::json(nullptr)},
          {"shots", flags.shots}};
}

void run_tasks(const TaskFlags& flags, const RunOptions& run, const Checkpoint& checkpoint,
               const std::vector<ExitChoice>& rules, const EvaluationOptions& options, const std::string& exit_prompt) {
  TaskOptions task_options{options};
  if (flags.answer_tokens > 0) task_options.answer_tokens = flags.answer_tokens;
  for (const ExitChoice& rule : rules) {
    if (rule_to_be_like(rule, rules) == 0) continue;
    throw Error("--exit {}: depths of another rule are measured on a --text only; give random:weights=…", rule.text);
  }
  const std::vector<TaskFile> all = read_tasks(flags);
  nlohmann::json json = provenance(run, checkpoint.model);
  add_prefix(json, checkpoint.language.tokenizer);
  json["window_tokens"] = options.window;
  json["exit_prompt"] = exit_prompt;
  json["intervals"] = {{"method", "bootstrap over items"}, {"resamples", kResamples}, {"seed", kResamplingSeed}};
  json["tasks"] = nlohmann::json::array();
  for (const TaskFile& given : all) {
    std::vector<TaskResult> rows;
    {
      Progress progress(std::string(given.task->name), static_cast<std::int64_t>(given.items.size()), "items");
      rows = evaluate_task(checkpoint.model, checkpoint.language, *given.task, given.items, rules, task_options,
                           [&progress](std::int64_t done, std::int64_t /*total*/) { progress.update(done); });
    }
    if (run.json) {
      json["tasks"].push_back(task_json(given, rows, flags, task_options));
    } else {
      print_task(given, rows, flags);
    }
  }
  if (run.json) print_json(json);
}

}  // namespace gyre::cli
