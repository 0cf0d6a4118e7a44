#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "api/calibrated_exit.hpp"
#include "base/error.hpp"
#include "base/progress.hpp"
#include "cli/checks.hpp"
#include "cli/commands.hpp"
#include "cli/eval_examples.hpp"
#include "cli/eval_task.hpp"
#include "cli/measured.hpp"
#include "cli/options.hpp"
#include "model/language.hpp"
#include "model/number_types.hpp"
#include "study/depth_evaluation.hpp"
#include "study/evaluation.hpp"
#include "study/statistics.hpp"
#include "study/statistics_json.hpp"

namespace gyre::cli {
namespace {

struct EvalRequest {
  RunOptions run;
  TextOptions text;
  TaskFlags tasks;
  std::string examples;
  int window = 0;
  int score_from = 0;
  int most_tokens = 0;
  std::vector<std::string> exits;
  std::vector<int> depths;
  std::string reference;
  std::string exit_prompt = "each";
};

ProgressSink show(Progress& progress) {
  return [&progress](std::int64_t done, std::int64_t total) {
    progress.set_total(total);
    progress.update(done);
  };
}

nlohmann::json depths_json(const std::vector<DepthHistogram>& depths) {
  nlohmann::json json = nlohmann::json::array();
  for (const DepthHistogram& depth : depths) json.push_back({{"group", depth.group}, {"counts", depth.counts}});
  return json;
}

nlohmann::json vectors_json(const DepthVectors& vectors) {
  return {{"groups", vectors.groups}, {"depths", vectors.depths}, {"counts", vectors.counts}};
}

/// Of a window put in at once nothing is compared.
nlohmann::json rise_json(const RuleResult& row) {
  return row.rule == kAtOnce ? nlohmann::json(nullptr) : difference_json(row.score.rise);
}

nlohmann::json row_json(const RuleResult& row) {
  nlohmann::json json = {{"exit", row.rule},
                         {"tokens", row.score.tokens},
                         {"cross_entropy_nats_per_token", row.score.cross_entropy},
                         {"cross_entropy_95", {row.score.cross_entropy_low, row.score.cross_entropy_high}},
                         {"perplexity", row.score.perplexity},
                         {"bits_per_byte", row.score.bits_per_byte},
                         {"kl_to_full_depth_nats_per_token", row.score.kl},
                         {"rise_over_full_depth", rise_json(row)},
                         {"loops_per_token", row.loops_per_token},
                         {"milliseconds_per_token", row.score.milliseconds_per_token},
                         {"depths", depths_json(row.depths)},
                         {"depth_vectors", vectors_json(row.depth_vectors)}};
  if (row.loops_read_per_token) json["loops_read_per_token"] = *row.loops_read_per_token;
  return json;
}

/// An interval as the tables show it.
std::string interval_text(const TextScore& score) {
  if (!std::isfinite(score.cross_entropy_low)) return "of one window";
  return fmt::format("{:.4f}-{:.4f}", score.cross_entropy_low, score.cross_entropy_high);
}

void print_prefix(const Tokenizer& tokenizer) {
  if (tokenizer.prefix_tokens().empty()) return;
  fmt::print("every window begins with");
  for (const std::int32_t token : tokenizer.prefix_tokens()) fmt::print(" {}", tokenizer.piece(token));
  fmt::print("\n");
}

void print_rows(const std::vector<RuleResult>& rows) {
  std::size_t width = 4;
  for (const RuleResult& row : rows) width = std::max(width, row.rule.size());
  fmt::print("{:{}}  {:>9} {:>17} {:>8} {:>8} {:>9} {:>11} {:>9}  {}\n", "exit", width, "CE nats", "95 % interval",
             "ppl", "bits/B", "KL full", "loops/token", "ms/token", "CE minus full depth");
  for (const RuleResult& row : rows) {
    fmt::print("{:{}}  {:9.4f} {:>17} {:8.3f} {:8.4f} {:9.5f} {:11.3f} {:9.3f}  {}\n", row.rule, width,
               row.score.cross_entropy, interval_text(row.score), row.score.perplexity, row.score.bits_per_byte,
               row.score.kl, row.loops_per_token, row.score.milliseconds_per_token,
               row.rule == kAtOnce ? "" : difference_text(row.score.rise));
  }
  for (const RuleResult& row : rows) {
    if (!row.loops_read_per_token) continue;
    fmt::print("{}: the states that were read are those after {:.3f} loops/token\n", row.rule,
               *row.loops_read_per_token);
  }
}

MeasuredText text_of(const EvalRequest& request, const Tokenizer& tokenizer) {
  const std::size_t most = request.most_tokens > 0 ? static_cast<std::size_t>(request.most_tokens) : SIZE_MAX;
  return measured_text(request.text, tokenizer, most);
}

/// What a result on a text depends on.
nlohmann::json text_json(const EvalRequest& request, const Model& model, const Tokenizer& tokenizer,
                         const MeasuredText& text, const EvaluationOptions& options) {
  nlohmann::json json = provenance(request.run, model);
  add_text(json, request.text, text);
  add_prefix(json, tokenizer);
  json["max_tokens"] = request.most_tokens > 0 ? nlohmann::json(request.most_tokens) : nlohmann::json(nullptr);
  json["window_tokens"] = options.window;
  json["score_from"] = options.score_from;
  json["intervals"] = {{"method", "bootstrap over windows"}, {"resamples", kResamples}, {"seed", kResamplingSeed}};
  return json;
}

void run_text(const EvalRequest& request, const Model& model, const Tokenizer& tokenizer,
              const std::vector<ExitChoice>& rules, const EvaluationOptions& options) {
  const MeasuredText text = text_of(request, tokenizer);
  std::vector<RuleResult> rows;
  {
    Progress progress("eval", 1, "windows");
    rows = evaluate_text(model, tokenizer, text, rules, options, show(progress));
  }
  if (!request.run.json) {
    print_prefix(tokenizer);
    print_rows(rows);
    return;
  }
  nlohmann::json json = text_json(request, model, tokenizer, text, options);
  json["rows"] = nlohmann::json::array();
  for (const RuleResult& row : rows) json["rows"].push_back(row_json(row));
  print_json(json);
}

void print_depths(const std::vector<DepthQuality>& rows, bool reference) {
  fmt::print("{:>5} {:>9} {:>17} {:>8}", "loops", "CE nats", "95 % interval", "ppl");
  fmt::print("{}\n", reference ? fmt::format(" {:>9} {:>9} {:>13}", "reference", "KL nats", "same choice %") : "");
  for (const DepthQuality& row : rows) {
    const TextScore& score = row.score;
    fmt::print("{:5} {:9.4f} {:>17} {:8.3f}", row.loops, score.cross_entropy, interval_text(score), score.perplexity);
    if (reference) {
      fmt::print(" {:9.4f} {:9.5f} {:13.2f}", score.reference_cross_entropy, score.kl, 100.0 * score.same_choice);
    }
    fmt::print("\n");
  }
}

nlohmann::json depth_json(const DepthQuality& row, bool reference) {
  const TextScore& score = row.score;
  nlohmann::json json = {{"loops", row.loops},
                         {"tokens", score.tokens},
                         {"cross_entropy_nats_per_token", score.cross_entropy},
                         {"cross_entropy_95", {score.cross_entropy_low, score.cross_entropy_high}}};
  if (reference) {
    json["reference_cross_entropy_nats_per_token"] = score.reference_cross_entropy;
    json["kl_to_reference_nats_per_token"] = score.kl;
    json["same_choice"] = score.same_choice;
    json["rise_over_reference"] = difference_json(score.rise);
  }
  return json;
}

/// Every depth asked for, or full depth.
std::vector<int> depths_of(const EvalRequest& request, const EvaluationOptions& options) {
  const int deepest = *std::max_element(options.loops.begin(), options.loops.end());
  if (request.depths.empty()) return {deepest};
  for (const int depth : request.depths) {
    if (depth > deepest) throw Error("--depths: {} is more than {}, the most loops of a group", depth, deepest);
    if (std::count(request.depths.begin(), request.depths.end(), depth) > 1) {
      throw Error("--depths: {} is there twice", depth);
    }
  }
  return request.depths;
}

void run_depths(const EvalRequest& request, const Model& model, const Tokenizer& tokenizer,
                const EvaluationOptions& options) {
  const MeasuredText text = text_of(request, tokenizer);
  const std::vector<int> depths = depths_of(request, options);
  std::optional<Model> reference;
  if (!request.reference.empty()) reference = load_model(request.reference, request.run.layer_loops);
  std::vector<DepthQuality> rows;
  {
    Progress progress("eval", 1, "windows");
    rows = evaluate_depths(model, reference ? &*reference : nullptr, text, depths, options, show(progress));
  }
  if (!request.run.json) {
    print_prefix(tokenizer);
    print_depths(rows, reference.has_value());
    return;
  }
  nlohmann::json json = text_json(request, model, tokenizer, text, options);
  if (reference) {
    json["reference"] = {{"model", request.reference},
                         {"sha256", reference->hash()},
                         {"number_types", number_types(*reference)},
                         {"kv_type", "f32"}};
  }
  json["depths"] = nlohmann::json::array();
  for (const DepthQuality& row : rows) json["depths"].push_back(depth_json(row, reference.has_value()));
  print_json(json);
}

/// Examples and tasks have none of what these flags speak of.
void refuse_flags_of_texts(const EvalRequest& request) {
  const auto refuse = [](bool given, std::string_view flag) {
    if (given) throw Error("{}: only a --text is scored so; leave it out with --examples and --task", flag);
  };
  const bool at_once = std::count(request.exits.begin(), request.exits.end(), kAtOnce) > 0;
  if (at_once && !request.examples.empty()) {
    throw Error("--exit prefill: only a --text or a --task is scored so; leave it out with --examples");
  }
  refuse(request.score_from > 0, "--score-from");
  refuse(request.most_tokens > 0, "--max-tokens");
  refuse(request.text.split != "all", "--split");
}

std::vector<ExitChoice> rules_of(const EvalRequest& request, const Model& model, const EvaluationOptions& options) {
  if (request.exits.empty()) return {request.examples.empty() ? at_once() : parse_exit("fixed")};
  const RunSettings settings = {
      .loops = options.loops, .kv = options.kv_policy, .first_state = options.start, .test_noise = options.test_noise};
  std::vector<ExitChoice> rules;
  for (const std::string& text : request.exits) {
    rules.push_back(text == kAtOnce ? at_once() : exit_for(text, model, settings));
  }
  return rules;
}

void run(const EvalRequest& request) {
  const int given =
      int{!request.text.file.empty()} + int{!request.examples.empty()} + int{!request.tasks.tasks.empty()};
  if (given != 1) throw Error("eval: give one of --text, --examples and --task");
  check_task_flags(request.tasks, request.run.json);
  const bool by_depth = !request.depths.empty() || !request.reference.empty();
  if (by_depth && (!request.exits.empty() || request.text.file.empty())) {
    throw Error(
        "eval: --depths and --reference score a --text at fixed depths; leave --exit, --examples and --task out");
  }
  for (const std::string& text : request.exits) {
    if (text != kAtOnce) check_exit(text);
  }
  if (request.text.file.empty()) refuse_flags_of_texts(request);
  if (request.exit_prompt != EvalRequest().exit_prompt) {
    if (!request.text.file.empty()) throw Error("--exit-prompt: a --text has no prompts; leave it out");
    const bool no_exit = std::all_of(request.exits.begin(), request.exits.end(),
                                     [](const std::string& text) { return text == kAtOnce; });
    if (no_exit && request.examples.empty()) throw Error("--exit-prompt: there is no --exit for it; leave it out");
  }
  const Checkpoint checkpoint = open_checkpoint(request.run);
  const Model& model = checkpoint.model;
  const Tokenizer& tokenizer = checkpoint.language.tokenizer;
  // All logits of a text's window are held at once; a task's questions are cut by their window.
  const int otherwise = request.tasks.tasks.empty() ? kDefaultWindow : kTaskWindow;
  EvaluationOptions options = evaluation_options(request.run, request.window, model.spec(), otherwise);
  options.score_from = request.score_from;
  options.prompt_exit = parse_prompt_exit(request.exit_prompt, "--exit-prompt");
  const std::vector<ExitChoice> rules = rules_of(request, model, options);
  if (by_depth) return run_depths(request, model, tokenizer, options);
  if (!request.tasks.tasks.empty()) {
    return run_tasks(request.tasks, request.run, checkpoint, rules, options, request.exit_prompt);
  }
  if (!request.examples.empty()) {
    return run_examples(request.examples, request.run, checkpoint, rules, options, request.exit_prompt);
  }
  run_text(request, model, tokenizer, rules, options);
}

}  // namespace

void add_eval(CLI::App& program) {
  auto request = std::make_shared<EvalRequest>();
  CLI::App* command = program.add_subcommand("eval", "Quality, loops and time of exit rules on a text or on questions");
  add_run_options(*command, request->run);
  add_noise_option(*command, request->run);
  add_text_options(*command, request->text);
  add_task_flags(*command, request->tasks);
  command->add_option("--examples", request->examples, "JSON lines {prompt, answer, level}: accuracy by level");
  command
      ->add_option("--window", request->window,
                   "Positions that share a context (default: the model's context, at most 1024; of a --task 4096)")
      ->check(whole_number(2, 1 << 20));
  command->add_option("--score-from", request->score_from, "Positions of each window before this one are context only")
      ->check(whole_number(0))
      ->capture_default_str();
  command->add_option("--max-tokens", request->most_tokens, "Evaluate no more than so many tokens")
      ->check(whole_number(2, 1 << 30));
  command->add_option(
      "--exit", request->exits,
      "Exit rule, or prefill: full depth, each window at once (give several to compare them in one run; default: "
      "prefill for --text and --task, fixed for --examples)");
  command
      ->add_option("--exit-prompt", request->exit_prompt,
                   "Which tokens of an example's or a task's prompt obey the exit: each by itself, whole (all leave as "
                   "one), last, "
                   "never")
      ->check(known_to(parse_prompt_exit, "--exit-prompt"))
      ->capture_default_str();
  command->add_option("--depths", request->depths, "Score the text at these numbers of loops, as in 1,2,4,8")
      ->delimiter(',')
      ->check(whole_number(1));
  command->add_option(
      "--reference", request->reference,
      "The same model in another type (keys and values in f32): how far apart the two are at each depth");
  command->footer(
      exit_help() + calibrated_exit_help() +
      "Without --exit a text is scored at full depth, each window put in at once as a prompt is: the fast way\n"
      "to a perplexity. That row is named prefill; its ms/token is a window's time spread over its tokens, and\n"
      "--kv last, latest:ring, latest:run and latest:anchor and --first-state previous change nothing inside it.\n"
      "Else ms/token is the time of a decoding step. With several threads, windows run side by side.\n"
      "Every window begins with the tokens that begin every text of the model (as generate puts them before a\n"
      "prompt); they count as positions and are not scored. Each file of a folder is a text of its own.\n"
      "Examples:\n"
      "  gyre eval -m smollm2.gguf --text wiki.txt --window 512 --score-from 256\n"
      "  gyre eval -m models/shakespeare --text input.txt --split validation\n"
      "  gyre eval -m models/shakespeare --text input.txt --exit fixed --exit accel:tau=0.05,hits=2 \\\n"
      "    --exit random:like=2 --json\n"
      "  gyre eval -m shakespeare-q4.gguf --reference models/shakespeare --text input.txt --depths 1,2,4\n"
      "  gyre eval -m models/arithmetic --examples test.jsonl --exit fixed:loops=1 --exit fixed\n"
      "  gyre eval -m ouro --task arc_easy:test.jsonl --limit 200 --exit prefill --exit accel:tau=0.05");
  command->callback([request] { run(*request); });
}

}  // namespace gyre::cli
