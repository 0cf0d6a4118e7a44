#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "api/calibrated_exit.hpp"
#include "api/learned_exit.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/progress.hpp"
#include "cli/checks.hpp"
#include "cli/commands.hpp"
#include "cli/documents.hpp"
#include "cli/measured.hpp"
#include "cli/options.hpp"
#include "model/language.hpp"
#include "study/calibration.hpp"

namespace gyre::cli {
namespace {

struct CalibrateRequest {
  RunOptions run;
  DocumentOptions documents;
  std::string examples;
  int most_documents = 0;
  int window = 0;
  std::string exit;
  std::vector<double> thresholds;
  int grid = 12;
  std::string risk = "disagreement";
  double alpha = 0.05;
  double delta = 0.1;
  std::string method = "ltt";
  double clip = 1;
  bool free_running = false;
  RiskOptions free = {.free_tokens = 64};
  std::string out;
};

/// What was asked for, checked.
struct AskedRisk {
  RiskOptions risk;
  RiskTarget target;
};

AskedRisk asked_risk(const CalibrateRequest& request, bool delta_given) {
  AskedRisk task;
  task.risk.risk = parse_risk(request.risk, "--risk");
  task.risk.clip = in_nats(task.risk.risk) ? request.clip : 1;
  task.target.method = parse_risk_method(request.method, "--method");
  task.target.alpha = request.alpha / task.risk.clip;
  task.target.delta = request.delta;
  task.target.binary = task.risk.risk == Risk::error;
  const bool answers = !request.examples.empty();
  if (request.documents.text.file.empty() != answers) throw Error("calibrate: give either --text or --examples");
  if (answers != (task.risk.risk == Risk::error)) {
    throw Error("--risk: {} is of {}; give {}", request.risk, answers ? "a text" : "answers",
                answers ? "--risk error, or --text" : "--examples, or disagreement, kl or rise");
  }
  if (request.alpha >= task.risk.clip) {
    throw Error("--alpha: {} is not below {}, the most that a document can cost; give less", request.alpha,
                task.risk.clip);
  }
  if (task.target.method == RiskMethod::conformal && delta_given) {
    throw Error("--delta: crc holds the risk on the average over calibrations and knows no delta; leave it out");
  }
  if (request.free_running) {
    if (task.risk.risk != Risk::disagreement) {
      throw Error("--free-running: two texts that part can only disagree; take --risk disagreement");
    }
    task.risk.free_tokens = request.free.free_tokens;
    task.risk.prompt_tokens = request.free.prompt_tokens;
  }
  return task;
}

std::string_view evidence_name(RiskMethod method) {
  switch (method) {
    case RiskMethod::learn_then_test:
      return "p-value";
    case RiskMethod::betting:
      return "upper bound";
    case RiskMethod::conformal:
      break;
  }
  return "(n R + 1)/(n + 1)";
}

/// What the tests hold against, in the unit of the risk where it is one.
double shown_evidence(const CalibratedThreshold& row, const AskedRisk& task) {
  const bool is_risk = task.target.method != RiskMethod::learn_then_test;
  return row.test.evidence * (is_risk ? task.risk.clip : 1);
}

/// The threshold whose rule is worth having: one at which tokens leave.
const CalibratedThreshold* chosen_of(const Calibration& result) {
  if (!result.chosen) return nullptr;
  const CalibratedThreshold& row = result.rows[*result.chosen];
  return row.loops_per_token < result.full_loops ? &row : nullptr;
}

nlohmann::json rows_json(const Calibration& result, const AskedRisk& task) {
  nlohmann::json json = nlohmann::json::array();
  for (std::size_t k = 0; k < result.rows.size(); ++k) {
    const CalibratedThreshold& row = result.rows[k];
    json.push_back({{"threshold", row.threshold},
                    {"exit", row.rule.text},
                    {"risk", row.test.risk * task.risk.clip},
                    {"evidence", shown_evidence(row, task)},
                    {"loops_per_token", row.loops_per_token},
                    {"passes", row.test.passes},
                    {"holds", result.chosen && k <= *result.chosen}});
  }
  return json;
}

void add_units(nlohmann::json& json, const CalibrateRequest& request, const Calibration& result) {
  if (!request.examples.empty()) {
    json["examples"] = request.examples;
  } else {
    add_documents(json, request.documents);
  }
  json["max_documents"] = request.most_documents > 0 ? nlohmann::json(request.most_documents) : nullptr;
  json["documents"] = result.documents;
  json["documents_set_aside"] = result.set_aside;
}

nlohmann::json result_json(const CalibrateRequest& request, const AskedRisk& task, const Model& model,
                           const Tokenizer& tokenizer, const EvaluationOptions& options, const Calibration& result) {
  nlohmann::json json = provenance(request.run, model);
  json[kCalibrationKey] = kCalibrationVersion;
  const CalibratedThreshold* chosen = chosen_of(result);
  json["exit"] = chosen != nullptr ? nlohmann::json(chosen->rule.text) : nullptr;
  json["holds_for"] = calibrated_conditions(
      model,
      {.loops = options.loops, .kv = options.kv_policy, .first_state = options.start, .test_noise = options.test_noise},
      result.rows.front().rule);
  json["rule"] = request.exit;
  json["threshold_key"] = result.key;
  json["threshold"] = chosen != nullptr ? nlohmann::json(chosen->threshold) : nullptr;
  json["risk"] = request.risk;
  json["clip_nats"] = in_nats(task.risk.risk) ? nlohmann::json(task.risk.clip) : nullptr;
  json["alpha"] = request.alpha;
  json["delta"] = task.target.method == RiskMethod::conformal ? nlohmann::json() : nlohmann::json(request.delta);
  json["method"] = request.method;
  json["evidence"] = task.target.method != RiskMethod::learn_then_test ? std::string(evidence_name(task.target.method))
                     : task.target.binary                              ? "p-value, exact binomial"
                                                                       : "p-value, Hoeffding-Bentkus";
  json["grid"] = request.thresholds.empty() ? nlohmann::json(request.grid) : nullptr;
  json["free_running"] = nullptr;
  if (request.free_running) {
    json["free_running"] = {{"prompt_tokens", task.risk.prompt_tokens}, {"tokens", task.risk.free_tokens}};
  } else {
    json["window_tokens"] = options.window;
  }
  add_units(json, request, result);
  add_prefix(json, tokenizer);
  json["full_depth"] = {{"risk", result.full_risk}, {"loops_per_token", result.full_loops}};
  if (chosen != nullptr) json["loops_per_token"] = chosen->loops_per_token;
  json["thresholds"] = rows_json(result, task);
  return json;
}

std::string promise(const CalibrateRequest& request, const AskedRisk& task) {
  if (task.target.method == RiskMethod::conformal) {
    return fmt::format("on the average over calibrations the {} of a document is at most {}", request.risk,
                       request.alpha);
  }
  return fmt::format("with a probability of {} the mean {} of documents is at most {}", 1 - request.delta, request.risk,
                     request.alpha);
}

void print_table(const CalibrateRequest& request, const AskedRisk& task, const Calibration& result) {
  const std::string_view evidence = evidence_name(task.target.method);
  const std::size_t width = std::max<std::size_t>(evidence.size(), 11);
  fmt::print("{:>10} {:>12} {:>{}} {:>11}  {}\n", result.key, request.risk, evidence, width, "loops/token", "holds");
  for (std::size_t k = 0; k < result.rows.size(); ++k) {
    const CalibratedThreshold& row = result.rows[k];
    const bool holds = result.chosen && k <= *result.chosen;
    fmt::print("{:10g} {:12.5f} {:{}.5f} {:11.3f}  {}\n", row.threshold, row.test.risk * task.risk.clip,
               shown_evidence(row, task), width, row.loops_per_token, holds ? "yes" : "no");
  }
  if (result.full_risk > 0) {
    fmt::print("{:>10} {:12.5f} {:>{}} {:11.3f}\n", "full depth", result.full_risk, "", width, result.full_loops);
  }
  if (const CalibratedThreshold* chosen = chosen_of(result); chosen != nullptr) {
    fmt::print("{}: {} ({} documents); {:.3f} of {:.3f} loops/token\n", chosen->rule.text, promise(request, task),
               result.documents, chosen->loops_per_token, result.full_loops);
  }
}

void require_choice(const Calibration& result, const CalibrateRequest& request, const AskedRisk& task) {
  if (chosen_of(result) != nullptr) return;
  const auto leaving = std::find_if(result.rows.begin(), result.rows.end(), [&](const CalibratedThreshold& row) {
    return row.loops_per_token < result.full_loops;
  });
  const CalibratedThreshold& row = result.chosen ? *leaving : result.rows.front();
  throw Error(
      "exit {}: no threshold at which tokens leave holds {} at {}: at {}={} it is {:.4g}, {} {:.4g}; tolerate "
      "more, or give more documents or safer thresholds",
      request.exit, request.risk, request.alpha, result.key, row.threshold, row.test.risk * task.risk.clip,
      evidence_name(task.target.method), shown_evidence(row, task));
}

Calibration measure(const CalibrateRequest& request, const AskedRisk& task, const Checkpoint& checkpoint,
                    const EvaluationOptions& options, const ExitChoice& rule) {
  const Model& model = checkpoint.model;
  const Tokenizer& tokenizer = checkpoint.language.tokenizer;
  std::vector<Example> examples;
  MeasuredText text;
  RiskTask trial;
  if (!request.examples.empty()) {
    examples = read_examples(request.examples);
    trial = examples_task(model, tokenizer, examples, options);
  } else {
    text = documents_of(request.documents, tokenizer);
    trial = text_task(model, text, options, task.risk);
  }
  CalibrationOptions calibration = {.loops = options.loops,
                                    .threads = options.threads,
                                    .stop = options.stop,
                                    .seed = options.seed,
                                    .target = task.target,
                                    .thresholds = request.thresholds,
                                    .grid = request.grid,
                                    .most_documents = static_cast<std::size_t>(request.most_documents)};
  Progress progress("calibrate", 1, "documents");
  return calibrate(model, trial, rule, calibration, [&](std::int64_t done, std::int64_t total) {
    progress.set_total(total);
    progress.update(done);
  });
}

void run(const CalibrateRequest& request, bool delta_given) {
  const AskedRisk task = asked_risk(request, delta_given);
  const ExitChoice rule = parse_exit(request.exit);
  if (!request.out.empty()) check_out_file(request.out);
  const Checkpoint checkpoint = open_checkpoint(request.run);
  const Model& model = checkpoint.model;
  require_heads_fit(rule, model);
  if (model.spec().looped_groups().empty()) {
    throw Error("--model: {} has no looped group, so no token can leave one; loop some of its layers with --loop",
                request.run.model);
  }
  const EvaluationOptions options = evaluation_options(request.run, request.window, model.spec());
  const Calibration result = measure(request, task, checkpoint, options, rule);
  const nlohmann::json json = result_json(request, task, model, checkpoint.language.tokenizer, options, result);
  if (!request.out.empty() && chosen_of(result) != nullptr) {
    write_text_atomically(request.out, json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  }
  request.run.json ? print_json(json) : print_table(request, task, result);
  require_choice(result, request, task);
  if (!request.out.empty() && !request.run.json) {
    fmt::print("file {}; use it as --exit calibrated:{}\n", request.out, request.out);
  }
}

void add_risk_options(CLI::App& command, CalibrateRequest& request) {
  command.add_option("--exit", request.exit, "Rule whose threshold is to be found, as in accel:hits=2")->required();
  command
      .add_option("--risk", request.risk,
                  "What leaving early may cost a document, against full depth: disagreement (share of positions\n"
                  "where another token is the likeliest), kl or rise (of the loss; nats a token), or error (share of\n"
                  "--examples that are answered wrong, whatever full depth says)")
      ->check(known_to(parse_risk, "--risk"))
      ->capture_default_str();
  command.add_option("--alpha", request.alpha, "The risk that is tolerated, in its own unit")
      ->check(number(1e-6, 1000))
      ->capture_default_str();
  command
      .add_option("--method", request.method,
                  "ltt (p-values, thresholds tested from the safest on), wsr (the bound of a bet; best where few\n"
                  "documents cost much), or crc (the mean over calibrations, without --delta)")
      ->check(known_to(parse_risk_method, "--method"))
      ->capture_default_str();
  command.add_option("--clip", request.clip, "Nats of a document's mean that count at most, with --risk kl or rise")
      ->check(number(1e-3, 1000))
      ->capture_default_str();
  command
      .add_option("--thresholds", request.thresholds,
                  "Thresholds to try, as in 0.1,0.2,0.4 (default: a grid found on documents set aside for it)")
      ->delimiter(',')
      ->check(number(-1e9, 1e9));
  command.add_option("--grid", request.grid, "How many thresholds without --thresholds")
      ->check(whole_number(2, 1000))
      ->capture_default_str();
  command.add_flag("--free-running", request.free_running,
                   "Compare texts that the model writes greedily behind each document's first tokens");
  command.add_option("--prompt-tokens", request.free.prompt_tokens, "With --free-running: those first tokens")
      ->check(whole_number(1, 1 << 20))
      ->capture_default_str();
  command.add_option("-n,--tokens", request.free.free_tokens, "With --free-running: tokens to write")
      ->check(whole_number(1, 1 << 20))
      ->capture_default_str();
}

void add_unit_options(CLI::App& command, CalibrateRequest& request) {
  add_document_options(command, request.documents);
  command.add_option("--examples", request.examples, "JSON lines {prompt, answer}: each is a document");
  command.add_option("--max-documents", request.most_documents, "Draw no more than so many of the documents")
      ->check(whole_number(1));
  command
      .add_option("--window", request.window,
                  "Positions of a document that share a context (default: the model's context, at most 1024)")
      ->check(whole_number(2, 1 << 20));
}

}  // namespace

void add_calibrate(CLI::App& program) {
  auto request = std::make_shared<CalibrateRequest>();
  CLI::App* command = program.add_subcommand(
      "calibrate", "The cheapest threshold of an exit rule that holds a risk below a tolerance, with a guarantee");
  add_run_options(*command, request->run);
  add_noise_option(*command, request->run);
  add_unit_options(*command, *request);
  add_risk_options(*command, *request);
  const CLI::Option* delta = command->add_option("--delta", request->delta, "How often a calibration may exceed it")
                                 ->check(number(1e-9, 0.999))
                                 ->capture_default_str();
  command->add_option("--out", request->out, "File to write, for --exit calibrated:FILE of the other commands");
  command->footer(
      "What is promised holds for documents like those it was calibrated on (exchangeable with them), for this model,\n"
      "type of weights, loops and KV policy: with others the file is refused. docs/calibration.md says more.\n"
      "At least ln(1/delta) / -ln(1 - alpha) documents are needed: 45 for 0.05 and 0.1, 230 for 0.01 and 0.1.\n"
      "Examples:\n"
      "  gyre calibrate -m models/shakespeare --text input.txt --split validation --document-tokens 64 --exit accel "
      "\\\n"
      "    --risk kl --alpha 0.05 --delta 0.1 --out exit.json\n"
      "  gyre generate -m models/shakespeare -p \"ROMEO:\" --exit calibrated:exit.json\n"
      "  gyre calibrate -m ouro --text articles --exit gate --risk disagreement --alpha 0.02 --method wsr\n"
      "  gyre calibrate -m models/shakespeare --text plays --paragraphs --exit step:hits=2 --free-running -n 32\n"
      "  gyre calibrate -m models/arithmetic --examples sums.jsonl --exit kl --risk error --alpha 0.1 --json");
  command->callback([request, delta] { run(*request, delta->count() > 0); });
}

}  // namespace gyre::cli
