#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <optional>

#include "api/calibrated_exit.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/progress.hpp"
#include "cli/checks.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/documents.hpp"
#include "cli/eval_task.hpp"
#include "cli/measured.hpp"
#include "cli/options.hpp"
#include "cli/studied_models.hpp"
#include "model/language.hpp"
#include "study/exits/exit_study.hpp"
#include "study/exits/exit_study_files.hpp"
#include "study/study_files.hpp"

namespace gyre::cli {
namespace {

namespace fs = std::filesystem;

struct StudyExitsRequest {
  std::vector<std::string> models;
  RunOptions run;  ///< all of it but the model
  DocumentOptions documents;
  int most_tokens = 0;
  int window = 0;
  std::vector<std::string> exits;
  ExitStudyOptions study;
  bool free_running = false;
  TaskFlags tasks;
  std::string out = "exits.html";
};

/// The first `most` tokens, and no document of which less than two are left.
MeasuredText text_of(const StudyExitsRequest& request, const Tokenizer& tokenizer) {
  MeasuredText text = documents_of(request.documents, tokenizer);
  std::size_t left = request.most_tokens > 0 ? static_cast<std::size_t>(request.most_tokens) : SIZE_MAX;
  for (std::size_t d = 0; d < text.documents.size(); ++d) {
    if (text.documents[d].size() > left) text.documents[d].resize(left);
    left -= text.documents[d].size();
    if (left >= 2) continue;
    const std::size_t kept = d + (text.documents[d].size() >= 2 ? 1U : 0U);
    text.documents.resize(kept);
    break;
  }
  return text;
}

std::vector<ExitChoice> rules_of(const StudyExitsRequest& request, const Model& model,
                                 const EvaluationOptions& options) {
  if (request.exits.empty()) return usual_rules(model.spec());
  const RunSettings settings = {
      .loops = options.loops, .kv = options.kv_policy, .first_state = options.start, .test_noise = options.test_noise};
  std::vector<ExitChoice> rules;
  for (const std::string& text : request.exits) {
    rules.push_back(exit_for(text, model, settings));
    if (rules.back().options.contains("like")) {
      throw Error("--exit {}: every rule is compared with its own depths dealt out at random; leave it out", text);
    }
  }
  return rules;
}

/// What every number depends on.
nlohmann::json settings_json(const StudyExitsRequest& request, const Model& model, const Tokenizer& tokenizer,
                             const EvaluationOptions& options) {
  nlohmann::json json = provenance(request.run, model);
  add_documents(json, request.documents);
  add_prefix(json, tokenizer);
  json["max_tokens"] = request.most_tokens > 0 ? nlohmann::json(request.most_tokens) : nlohmann::json(nullptr);
  json["window_tokens"] = options.window;
  json["thresholds_recorded"] = request.study.grid;
  json["points"] = request.study.points;
  json["deals"] = request.study.deals;
  json["timed_tokens"] = request.study.timed_tokens;
  json["free_running"] = nullptr;
  if (request.free_running) {
    json["free_running"] = {{"tokens", request.study.free_tokens}, {"prompt_tokens", request.study.prompt_tokens}};
  }
  json["tasks"] = nlohmann::json::array();
  for (const TaskFile& task : request.study.tasks.files) json["tasks"].push_back(task_file_json(task, request.tasks));
  if (!request.tasks.tasks.empty()) {
    json["task_window_tokens"] = std::min(model.spec().context, kTaskWindow);
    json["answer_tokens"] = request.study.tasks.answer_tokens;
  }
  json["intervals"] = {{"method", "paired bootstrap over units"}, {"resamples", kResamples}, {"seed", kResamplingSeed}};
  return json;
}

/// The command that does this study again.
std::string command_of(const StudyExitsRequest& request) {
  CommandLine command("gyre study exits");
  for (const std::string& model : request.models) command.add("-m", model);
  command.add("--text", request.documents.text.file);
  command.add("--split", request.documents.text.split);
  command.add("--validation-share", request.documents.text.validation_share);
  if (request.documents.paragraphs) command.add_flag("--paragraphs");
  if (request.documents.document_tokens > 0) command.add("--document-tokens", request.documents.document_tokens);
  if (request.most_tokens > 0) command.add("--max-tokens", request.most_tokens);
  if (request.window > 0) command.add("--window", request.window);
  for (const std::string& rule : request.exits) command.add("--exit", rule);
  command.add("--grid", request.study.grid);
  command.add("--points", request.study.points);
  command.add("--deals", request.study.deals);
  command.add("--timed-tokens", request.study.timed_tokens);
  if (request.free_running) {
    command.add_flag("--free-running");
    command.add("--prompt-tokens", request.study.prompt_tokens);
    command.add("--tokens", request.study.free_tokens);
  }
  for (const std::string& task : request.tasks.tasks) command.add("--task", task);
  if (request.tasks.limit > 0) command.add("--limit", request.tasks.limit);
  if (request.tasks.shots > 0) command.add("--shots", request.tasks.shots);
  if (request.tasks.answer_tokens > 0) command.add("--answer-tokens", request.tasks.answer_tokens);
  command.add_run(request.run);
  command.add("--out", request.out);
  return command.text();
}

/// Shows the stages of a study one after the other.
class Stages {
 public:
  explicit Stages(std::string model) : model_(std::move(model)) {}

  StageSink sink() {
    return [this](std::string_view stage) -> ProgressSink {
      progress_.reset();
      progress_.emplace(fmt::format("{}: {}", model_, stage), 1, "pieces");
      return [this](std::int64_t done, std::int64_t total) {
        progress_->set_total(total);
        progress_->update(done);
      };
    };
  }

 private:
  std::string model_;
  std::optional<Progress> progress_;
};

nlohmann::json study_one(const StudyExitsRequest& request, const fs::path& path) {
  RunOptions run = request.run;
  run.model = path.string();
  const Checkpoint checkpoint = open_checkpoint(run);
  const Model& model = checkpoint.model;
  if (model.spec().looped_groups().empty()) {
    throw Error("--model: {} has no looped group, so no token can leave one; loop some of its layers with --loop",
                path.string());
  }
  ExitStudyOptions options = request.study;
  options.evaluation = evaluation_options(request.run, request.window, model.spec());
  if (!request.free_running) options.free_tokens = 0;
  options.tasks.language = &checkpoint.language;
  options.tasks.window = std::min(model.spec().context, kTaskWindow);
  const Tokenizer& tokenizer = checkpoint.language.tokenizer;
  const MeasuredText text = text_of(request, tokenizer);
  Stages stages(path.filename().string());
  const ExitStudy study =
      study_exits(model, text, rules_of(request, model, options.evaluation), options, stages.sink());
  nlohmann::json json = exit_study_json(study);
  json["path"] = path.string();
  const auto step = step_of(path);
  json["step"] = step ? nlohmann::json(*step) : nlohmann::json(nullptr);
  json["name"] = model.spec().name;
  StudyExitsRequest named = request;
  named.run.model = path.string();
  json["settings"] = settings_json(named, model, tokenizer, options.evaluation);
  nlohmann::json groups = nlohmann::json::array();
  for (std::size_t g = 0; g < model.spec().groups.size(); ++g) {
    const Group& group = model.spec().groups[g];
    groups.push_back({{"name", group.name},
                      {"layers", group.layers},
                      {"loops", options.evaluation.loops[g]},
                      {"looped", group.looped()}});
  }
  json["groups"] = std::move(groups);
  return json;
}

std::string signed_interval(const nlohmann::json& difference) {
  if (!difference["value"].is_number() || !std::isfinite(difference["value"].get<double>())) return "-";
  return fmt::format("{:+.4f} ({:+.4f} {:+.4f})", difference["value"].get<double>(),
                     difference["interval_95"][0].get<double>(), difference["interval_95"][1].get<double>());
}

std::string_view verdict_of(const std::string& side) {
  return side == "below" ? "better than a constant depth" : side == "above" ? "worse than a constant depth" : "unclear";
}

void print_study(const nlohmann::json& study) {
  fmt::print("{}: {} tokens, {} {}s; costs in nats/token, differences with 95 % intervals\n",
             study["path"].get<std::string>(), study["tokens"].get<std::int64_t>(), study["units"].get<std::size_t>(),
             study["unit"].get<std::string>());
  std::size_t width = 16;
  for (const nlohmann::json& front : study["fronts"]) {
    for (const nlohmann::json& point : front["points"])
      width = std::max(width, point["rule"].get<std::string>().size());
  }
  fmt::print("{:{}} {:>11} {:>8} {:>8} {:>8}  {:>26}  {:>26}  {:>26}\n", "", width, "loops/token", "CE", "KL", "time",
             "minus dealt at random", "minus dealt within units", "minus constant depth");
  const auto row = [&](const std::string& name, const nlohmann::json& trial) {
    const nlohmann::json time = trial.value("time", nlohmann::json());
    fmt::print("{:{}} {:11.3f} {:8.4f} {:8.5f} {:>8}", name, width, trial["loops_per_token"].get<double>(),
               trial["cross_entropy"]["value"].get<double>(), trial["kl_to_full_depth"]["value"].get<double>(),
               time.is_object() ? fmt::format("{:.2f}", time["of_full_depth"].get<double>()) : "");
    if (trial.contains("minus")) {
      for (const char* control : {"dealt_over_all", "dealt_within_units", "constants_at_its_loops"}) {
        fmt::print("  {:>26}", signed_interval(trial["minus"][control]["cross_entropy"]));
      }
    }
    fmt::print("\n");
  };
  for (const nlohmann::json& constant : study["constants"]) {
    row(fmt::format("fixed:loops={}", constant["loops"].get<int>()), constant);
  }
  for (const nlohmann::json& front : study["fronts"]) {
    for (const nlohmann::json& point : front["points"]) row(point["rule"], point);
  }
  for (const nlohmann::json& oracle : study["oracles"]) row("oracle " + oracle["name"].get<std::string>(), oracle);
  for (const nlohmann::json& front : study["fronts"]) {
    const nlohmann::json& height = front["front_minus_constants"]["cross_entropy"];
    if (front["points"].size() < 2) continue;
    fmt::print("{}: its front lies {} nats from the constants, {}\n", front["rule"].get<std::string>(),
               signed_interval(height), verdict_of(height["side_of_0"]));
  }
}

/// Of one task: accuracy, and what its error is over that of each control.
void print_task(const nlohmann::json& study, std::size_t task) {
  const nlohmann::json& asked = study["tasks"][task];
  fmt::print("{}: {} items of {}, {}; differences of the error, with 95 % intervals\n",
             asked["task"].get<std::string>(), asked["items"].get<std::size_t>(), asked["data"].get<std::string>(),
             asked["measure"].get<std::string>());
  std::vector<std::pair<std::string, nlohmann::json>> rows;
  for (const nlohmann::json& constant : study["constants"]) {
    rows.emplace_back(fmt::format("fixed:loops={}", constant["loops"].get<int>()), constant["tasks"][task]);
  }
  for (const nlohmann::json& front : study["fronts"]) {
    for (const nlohmann::json& point : front["points"]) rows.emplace_back(point["rule"], point["tasks"][task]);
  }
  std::size_t width = 16;
  for (const auto& [name, trial] : rows) width = std::max(width, name.size());
  fmt::print("{:{}} {:>11} {:>8}  {:>26}  {:>26}  {:>26}\n", "", width, "loops/token", "accuracy",
             "minus dealt at random", "minus constant depth", "minus full depth");
  for (const auto& [name, trial] : rows) {
    fmt::print("{:{}} {:11.3f} {:8.4f}", name, width, trial["loops_per_token"].get<double>(),
               trial["accuracy"]["value"].get<double>());
    for (const char* control : {"dealt", "constants_at_its_loops", "full_depth"}) {
      if (trial.contains("minus")) fmt::print("  {:>26}", signed_interval(trial["minus"][control]["error"]));
    }
    fmt::print("\n");
  }
}

/// Beside the page: the picture of a task, whose number tells two of one name apart.
fs::path task_picture(const fs::path& page, const nlohmann::json& tasks, std::size_t task) {
  const auto is_same = [&](const nlohmann::json& one) { return one["task"] == tasks[task]["task"]; };
  const bool alone = std::count_if(tasks.begin(), tasks.end(), is_same) == 1;
  const std::string name = tasks[task]["task"].get<std::string>() + (alone ? "" : fmt::format("-{}", task + 1));
  return fs::path(page).replace_filename(fmt::format("{}-{}.svg", page.stem().string(), name));
}

void write_files(const StudyExitsRequest& request, const nlohmann::json& result) {
  const fs::path page(request.out);
  write_text_atomically(page, exit_page(result));
  write_text_atomically(fs::path(page).replace_extension(".json"),
                        result.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  write_text_atomically(fs::path(page).replace_extension(".csv"), exit_study_csv(result["checkpoints"]));
  const nlohmann::json& last = result["checkpoints"].back();
  write_text_atomically(fs::path(page).replace_extension(".svg"),
                        exit_study_svg(last, fmt::format("Exit rules on {}", last["path"].get<std::string>())));
  for (std::size_t t = 0; t < last["tasks"].size(); ++t) {
    const std::string title = fmt::format("Exit rules on {}: {}", last["path"].get<std::string>(),
                                          last["tasks"][t]["task"].get<std::string>());
    write_text_atomically(task_picture(page, last["tasks"], t), exit_task_svg(last, t, title));
  }
}

void run(StudyExitsRequest request) {
  check_task_flags(request.tasks, request.run.json);
  request.study.tasks.files = read_tasks(request.tasks);
  if (request.tasks.answer_tokens > 0) request.study.tasks.answer_tokens = request.tasks.answer_tokens;
  const std::vector<fs::path> paths = models_of(request.models);
  std::vector<fs::path> inputs = paths;
  inputs.emplace_back(request.documents.text.file);
  for (const TaskFile& task : request.study.tasks.files) inputs.emplace_back(task.file);
  (void)study_files(request.out, inputs);
  for (const std::string& text : request.exits) check_exit(text);
  nlohmann::json result = {{"checkpoints", nlohmann::json::array()},
                           {"date", fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr)))},
                           {"program", "gyre " GYRE_VERSION},
                           {"command", command_of(request)}};
  for (const fs::path& path : paths) result["checkpoints"].push_back(study_one(request, path));
  write_files(request, result);
  if (request.run.json) return print_json(result);
  for (const nlohmann::json& study : result["checkpoints"]) {
    print_study(study);
    for (std::size_t t = 0; t < study["tasks"].size(); ++t) print_task(study, t);
  }
  const fs::path page(request.out);
  fmt::print("page {}\ndata {}, {}\npicture {}\n", page.string(), fs::path(page).replace_extension(".json").string(),
             fs::path(page).replace_extension(".csv").string(), fs::path(page).replace_extension(".svg").string());
}

}  // namespace

void add_study_exits(CLI::App& study) {
  auto request = std::make_shared<StudyExitsRequest>();
  CLI::App* command = study.add_subcommand("exits", "Compare exit rules with one another and with fair controls");
  add_run_options(*command, request->run);
  add_noise_option(*command, request->run);
  command->remove_option(command->get_option("--model"));  // several here, or folders of them
  command->add_option("-m,--model", request->models, "Model folder, or a folder of checkpoints; several are compared")
      ->required();
  add_document_options(*command, request->documents);
  command->get_option("--text")->required();
  command->add_option("--max-tokens", request->most_tokens, "Measure no more than so many tokens")
      ->check(whole_number(2, 1 << 30));
  command
      ->add_option("--window", request->window,
                   "Positions that share a context (default: the model's context, at most 1024)")
      ->check(whole_number(2, 1 << 20));
  command->add_option("--exit", request->exits,
                      "Exit rule; without its threshold it is tried at many, as accel or step:hits=2 (give several;\n"
                      "default: the usual ones)");
  command->add_option("--grid", request->study.grid, "Thresholds of a rule that are recorded")
      ->check(whole_number(2, 1000))
      ->capture_default_str();
  command->add_option("--points", request->study.points, "How many of them are run, their loops spread evenly")
      ->check(whole_number(1, 100))
      ->capture_default_str();
  command->add_option("--deals", request->study.deals, "Draws of each control of dealt depths")
      ->check(whole_number(1, 100))
      ->capture_default_str();
  command
      ->add_option("--timed-tokens", request->study.timed_tokens,
                   "Tokens that are decoded one by one to time each rule; 0: none")
      ->check(whole_number(0, 1 << 20))
      ->capture_default_str();
  command->add_flag("--free-running", request->free_running,
                    "Compare texts that the model writes behind each document's first tokens, too");
  request->study.free_tokens = 64;
  command->add_option("--prompt-tokens", request->study.prompt_tokens, "With --free-running: those first tokens")
      ->check(whole_number(1, 1 << 20))
      ->capture_default_str();
  command->add_option("-n,--tokens", request->study.free_tokens, "With --free-running: tokens to write")
      ->check(whole_number(1, 1 << 20))
      ->capture_default_str();
  add_task_flags(*command, request->tasks);
  command->remove_option(command->get_option("--items"));
  command
      ->add_option("--out", request->out,
                   "Page to write; .json, .csv and .svg go beside it, and a -TASK.svg of each task")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
      ->capture_default_str();
  command->footer(
      "One pass over the text records which depth every rule would choose at every threshold; some thresholds are\n"
      "then run with the work behind an exit skipped. Beside each stand its own depths dealt out at random, over all\n"
      "tokens and within a document, and constant depths. Differences are paired over documents (over windows where\n"
      "there are fewer than 8): 95 % bootstrap intervals. docs/measures.md says more.\n"
      "With --task the same constants and points are asked a benchmark too, questions and answers under the rule.\n"
      "Examples:\n"
      "  gyre study exits -m models/shakespeare --text input.txt --split validation --max-tokens 20000\n"
      "  gyre study exits -m runs/a/checkpoints --text articles --exit accel --exit step --exit kl:decode=lens\n"
      "  gyre study exits -m models/shakespeare --text input.txt --document-tokens 256 --exit accel:tau=0.2 --json\n"
      "  gyre study exits -m ouro --text wiki.txt --exit accel --task arc_easy:test.jsonl --limit 200");
  command->callback([request, &study] {
    for (const CLI::Option* option : study.get_options()) {
      if (option->count() == 0 || option->get_name() == "--help") continue;
      throw Error("{}: it stands before exits, where it is no part of gyre study exits; write it behind",
                  option->get_name());
    }
    run(*request);
  });
}

}  // namespace gyre::cli
