#include "study/study.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/error.hpp"
#include "base/progress.hpp"
#include "cli/checks.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/measured.hpp"
#include "cli/options.hpp"
#include "cli/studied_models.hpp"
#include "model/language.hpp"
#include "study/study_files.hpp"
#include "study/windows.hpp"

namespace gyre::cli {
namespace {

namespace fs = std::filesystem;

struct StudyRequest {
  std::vector<std::string> models;
  RunOptions run;  ///< all of it but the model
  TextOptions text;
  int window = 0;
  int tokens = 4096;
  std::string measures = "all";
  std::string out = "study.html";
};

/// The command that does this study again, with every flag that its numbers depend on.
std::string command_of(const StudyRequest& request, int window) {
  CommandLine command("gyre study");
  for (const std::string& model : request.models) command.add("-m", model);
  command.add("--text", request.text.file);
  command.add("--split", request.text.split);
  command.add("--validation-share", request.text.validation_share);
  command.add("--tokens", request.tokens);
  command.add("--window", window);
  command.add("--measures", request.measures);
  command.add_run(request.run);
  command.add("--out", request.out);
  return command.text();
}

/// What --model names, one checkpoint of the series.
RunOptions run_of(const StudyRequest& request, const fs::path& path) {
  RunOptions options = request.run;
  options.model = path.string();
  return options;
}

DynamicsOptions dynamics_options(const StudyRequest& request, const ModelSpec& spec, const MeasuredText& text) {
  constexpr int kTrajectories = 8;
  DynamicsOptions options;
  options.measures = parse_measures(request.measures, "--measures");
  options.loops = loops_of(request.run, spec);
  options.window = request.window > 0 ? request.window : std::min(spec.context, kDefaultWindow);
  if (options.window > spec.context) {
    throw Error("--window: {} is more than the context of {}", options.window, spec.context);
  }
  options.kv_policy = kv_policy_of(request.run);
  options.start = parse_noise_start(request.run.first_state, "--first-state");
  options.test_noise = test_noise_of(request.run, spec);
  options.seed = request.run.seed;
  options.threads = thread_count(request.run);
  options.stop = interrupt();
  const Window first = cut_windows(text, spec, {options.window, 0}).front();
  options.trajectory_positions = trajectory_positions(static_cast<int>(first.scored()), kTrajectories);
  return options;
}

/// `tokens` to measure; without a prefix the first one only stands before the others.
MeasuredText text_of(const StudyRequest& request, const Tokenizer& tokenizer) {
  const auto most = static_cast<std::size_t>(request.tokens) + (tokenizer.prefix_tokens().empty() ? 1 : 0);
  return measured_text(request.text, tokenizer, most);
}

std::vector<StudiedCheckpoint> measure(const StudyRequest& request, const std::vector<fs::path>& paths,
                                       const ModelSpec& spec, const MeasuredText& text,
                                       const DynamicsOptions& options) {
  std::int64_t each = 0;
  for (const Window& window : cut_windows(text, spec, {options.window, 0})) {
    each += static_cast<std::int64_t>(window.scored());
  }
  Progress progress("study", each * static_cast<std::int64_t>(paths.size()), "tokens");
  progress.update(0);
  std::vector<StudiedCheckpoint> checkpoints;
  for (const fs::path& path : paths) {
    const Model model = load_model(run_of(request, path));
    if (model.spec() != spec) {
      throw Error("--model: {} and {} are different models; a study across training needs one run", path.string(),
                  paths.front().string());
    }
    const std::int64_t before = each * static_cast<std::int64_t>(checkpoints.size());
    Dynamics dynamics =
        measure_dynamics(model, text, options, [&](std::int64_t measured) { progress.update(before + measured); });
    checkpoints.push_back({path.string(), step_of(path), model.hash(), std::move(dynamics)});
  }
  return checkpoints;
}

StudySubject subject_of(const StudyRequest& request, const Model& model, const Tokenizer& tokenizer,
                        const MeasuredText& text, const DynamicsOptions& options) {
  StudySubject subject{model.spec(), model.parameter_count(), tokenizer, options.loops, {}, {}, {}, {}};
  add_text(subject.text, request.text, text);
  add_prefix(subject.text, tokenizer);
  subject.text["file"] = subject.text["text"];
  subject.text.erase("text");
  subject.text["window"] = options.window;
  subject.text["unit"] = tokenizer.size() < 256 ? "characters" : "tokens";
  subject.settings = provenance(request.run, model);
  // These are told of every checkpoint.
  for (const char* key : {"model", "model_sha256", "program"}) subject.settings.erase(key);
  subject.settings["measures"] = request.measures;
  subject.settings["token_by_token"] = runs_token_by_token(options);
  subject.program = "gyre " GYRE_VERSION;
  subject.command = command_of(request, options.window);
  return subject;
}

/// As study_json() tells them.
void print_findings(const nlohmann::json& findings) {
  for (const nlohmann::json& finding : findings) {
    fmt::print("{} — {}\n  paper: {}\n  here:  {}\n", finding["title"].get<std::string>(),
               finding["verdict"].get<std::string>(), finding["paper"].get<std::string>(),
               finding["here"].get<std::string>());
  }
}

void run(const StudyRequest& request) {
  const std::vector<fs::path> paths = models_of(request.models);
  std::vector<fs::path> inputs = paths;
  inputs.emplace_back(request.text.file);
  const StudyFiles files = study_files(request.out, inputs);
  const Checkpoint checkpoint = open_checkpoint(run_of(request, paths.front()));
  const Model& first = checkpoint.model;
  if (first.spec().looped_groups().empty())
    throw Error("--model: {} has no looped group; loop some of its layers with --loop", paths.front().string());
  const Tokenizer& tokenizer = checkpoint.language.tokenizer;
  const MeasuredText text = text_of(request, tokenizer);
  const DynamicsOptions options = dynamics_options(request, first.spec(), text);
  const std::vector<StudiedCheckpoint> checkpoints = measure(request, paths, first.spec(), text, options);

  nlohmann::json study = study_json(subject_of(request, first, tokenizer, text, options), checkpoints);
  write_text_atomically(files.page, study_page(study));
  nlohmann::json data = study;
  data["measures"] = token_measures_json(checkpoints);
  write_text_atomically(files.data, data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  if (request.run.json) return print_json(study);
  print_findings(study["findings"]);
  fmt::print("\npage {}\ndata {}\n", files.page.string(), files.data.string());
}

}  // namespace

void add_study(CLI::App& program) {
  auto request = std::make_shared<StudyRequest>();
  CLI::App* command = program.add_subcommand("study", "Measure the latent dynamics of a looped model and draw them");
  add_run_options(*command, request->run);
  add_noise_option(*command, request->run);
  command->remove_option(command->get_option("--model"));  // several here, or folders of them
  command->add_option("-m,--model", request->models,
                      "Model folder, or a folder of checkpoints; several make a series (needed)");
  add_text_options(*command, request->text);
  command->add_option("--tokens", request->tokens, "Tokens to measure")
      ->check(whole_number(2, 1 << 24))
      ->capture_default_str();
  command
      ->add_option("--window", request->window,
                   "Positions that share a context (default: the model's context, at most 1024)")
      ->check(whole_number(2, 1 << 20));
  command
      ->add_option("--measures", request->measures,
                   "all, or basic: those of each token's own pass, without further passes over a sample of the text")
      ->capture_default_str();
  command->add_option("--out", request->out, "Page to write; the numbers go beside it as .json")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
      ->capture_default_str();
  command->footer(
      "Every window begins with the tokens that begin every text of the model, and goes in at once as a prompt does;\n"
      "under --kv last, latest:ring, latest:run and latest:anchor and with --first-state previous, which a prompt\n"
      "would not show, token by token. Each file of a folder is a text of its own.\n"
      "gyre study exits compares exit rules (gyre study exits --help).\n"
      "Examples:\n"
      "  gyre study -m models/shakespeare --text input.txt --split validation --out study.html\n"
      "  gyre study -m runs/shakespeare/checkpoints --text input.txt --split validation --loops 8");
  command->callback([request, command] {
    if (!command->get_subcommands().empty()) return;
    for (const char* needed : {"--model", "--text"}) {
      if (command->count(needed) == 0) throw CLI::RequiredError(needed);
    }
    run(*request);
  });
  add_study_blocks(*command);
  command->require_subcommand(0, 1);
  add_study_exits(*command);
}

}  // namespace gyre::cli
