#include "cli/eval_examples.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "base/progress.hpp"
#include "cli/measured.hpp"
#include "study/statistics_json.hpp"

namespace gyre::cli {

void run_examples(const std::string& file, const RunOptions& run, const Checkpoint& checkpoint,
                  const std::vector<ExitChoice>& rules, const EvaluationOptions& options,
                  const std::string& exit_prompt) {
  const Tokenizer& tokenizer = checkpoint.language.tokenizer;
  const std::vector<Example> examples = read_examples(file);
  std::vector<ExamplesResult> rows;
  {
    Progress progress("eval", static_cast<std::int64_t>(examples.size()), "examples");
    rows = evaluate_examples(checkpoint.model, tokenizer, examples, rules, options,
                             [&progress](std::int64_t done, std::int64_t /*total*/) { progress.update(done); });
  }
  if (run.json) {
    nlohmann::json json = provenance(run, checkpoint.model);
    json["examples"] = file;
    json["exit_prompt"] = exit_prompt;
    json["window_tokens"] = options.window;
    add_prefix(json, tokenizer);
    json["rows"] = nlohmann::json::array();
    for (const ExamplesResult& row : rows) {
      nlohmann::json levels = nlohmann::json::array();
      for (const LevelResult& level : row.levels) {
        levels.push_back({{"level", level.level < 0 ? nlohmann::json("all") : nlohmann::json(level.level)},
                          {"examples", level.examples},
                          {"accuracy", level.accuracy.value},
                          {"accuracy_95", {level.accuracy.interval.low, level.accuracy.interval.high}},
                          {"loops_per_token", level.loops_per_token}});
      }
      json["rows"].push_back({{"exit", row.rule},
                              {"milliseconds_per_token", row.milliseconds_per_token},
                              {"accuracy_minus_first_exit", difference_json(row.accuracy_minus_first)},
                              {"levels", levels}});
    }
    print_json(json);
    return;
  }
  for (const ExamplesResult& row : rows) {
    fmt::print("{}  ({:.3f} ms/token)\n  {:>5} {:>9} {:>10} {:>15} {:>12}\n", row.rule, row.milliseconds_per_token,
               "level", "examples", "accuracy %", "95 % interval", "loops/answer");
    for (const LevelResult& level : row.levels) {
      const Interval& interval = level.accuracy.interval;
      fmt::print("  {:>5} {:9} {:10.1f} {:>15} {:12.2f}\n", level.level < 0 ? "all" : fmt::format("{}", level.level),
                 level.examples, 100.0 * level.accuracy.value,
                 std::isfinite(interval.low) ? fmt::format("{:.1f}-{:.1f}", 100 * interval.low, 100 * interval.high)
                                             : "of one example",
                 level.loops_per_token);
    }
    if (&row == &rows.front()) continue;
    fmt::print("  accuracy minus that of {}: {}\n", rows.front().rule, difference_text(row.accuracy_minus_first));
  }
}

}  // namespace gyre::cli
