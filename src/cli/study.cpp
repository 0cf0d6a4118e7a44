#include "study/study.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/error.hpp"
#include "base/progress.hpp"
#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "model/language.hpp"

namespace gyre::cli {
namespace {

namespace fs = std::filesystem;

struct Request {
  std::vector<std::string> models;
  LoopFlags layer_loops;
  TextOptions text;
  int tokens = 4096;
  std::string loops;
  int threads = 0;
  std::uint64_t seed = 1;
  std::string out = "study.html";
  bool json = false;
  std::string command;
};

/// Models in the order of their training steps; a folder of checkpoints stands for all of them.
std::vector<fs::path> models_of(const Request& request) {
  std::vector<fs::path> models;
  for (const std::string& given : request.models) {
    if (fs::exists(fs::path(given) / "config.json") || !fs::is_directory(given)) {
      models.emplace_back(given);
      continue;
    }
    std::vector<fs::path> inside;
    for (const auto& entry : fs::directory_iterator(given)) {
      const bool hidden = entry.path().filename().string().starts_with('.');
      if (!hidden && fs::exists(entry.path() / "config.json")) inside.push_back(entry.path());
    }
    if (inside.empty()) throw Error("--model: {} holds neither a model nor folders of models", given);
    std::sort(inside.begin(), inside.end());
    models.insert(models.end(), inside.begin(), inside.end());
  }
  return models;
}

/// The number at the end of a checkpoint's name ("step-001500"), or 0.
int step_of(const fs::path& path) {
  const std::string name = path.filename().string();
  const std::size_t begin = name.find_last_not_of("0123456789") + 1;
  int step = 0;
  std::from_chars(name.data() + begin, name.data() + name.size(), step);
  return step;
}

DynamicsOptions dynamics_options(const Request& request, const ModelSpec& spec, std::size_t tokens) {
  DynamicsOptions options;
  options.loops = request.loops.empty() ? spec.default_loops() : parse_loops(request.loops, spec, "--loops");
  options.window = std::min(spec.context, kDefaultWindow);
  options.seed = request.seed;
  RunOptions run;
  run.threads = request.threads;
  options.threads = thread_count(run);
  const int window = std::min(options.window, static_cast<int>(tokens) - 1);
  constexpr int kTrajectories = 8;
  for (int i = 1; i <= kTrajectories; ++i) options.trajectory_positions.push_back((window - 1) * i / kTrajectories);
  return options;
}

/// Found out before the work, not after it.
void check_out(const fs::path& out) {
  const fs::path folder = out.has_parent_path() ? out.parent_path() : fs::path(".");
  if (!fs::is_directory(folder)) throw Error("--out: there is no folder {}; make it first", folder.string());
  if (fs::exists(out) && !fs::is_regular_file(out)) throw Error("--out: {} is not a file", out.string());
}

void run(const Request& request) {
  check_out(request.out);
  const std::vector<fs::path> paths = models_of(request);
  const Model first = load_model(paths.front(), request.layer_loops);
  if (first.spec().looped_groups().empty())
    throw Error("--model: {} has no looped group; loop some of its layers with --loop", paths.front().string());
  const Tokenizer tokenizer = load_language(first.path()).tokenizer;
  const auto most = static_cast<std::size_t>(request.tokens) + 1;  // the last one is only a target
  const std::vector<std::int32_t> tokens = tokens_of(request.text, tokenizer, most);
  const DynamicsOptions options = dynamics_options(request, first.spec(), tokens.size());

  std::vector<StudiedCheckpoint> checkpoints;
  {
    const auto each = static_cast<std::int64_t>(tokens.size()) - 1;  // the last token is only a target
    Progress progress("study", each * static_cast<std::int64_t>(paths.size()), "tokens");
    progress.update(0);
    for (const fs::path& path : paths) {
      const Model model = load_model(path, request.layer_loops);
      if (model.spec() != first.spec()) {
        throw Error("--model: {} and {} are different models; a study across training needs one run", path.string(),
                    paths.front().string());
      }
      const std::int64_t before = each * static_cast<std::int64_t>(checkpoints.size());
      Dynamics dynamics =
          measure_dynamics(model, tokens, options, [&](std::int64_t measured) { progress.update(before + measured); });
      checkpoints.push_back({path.string(), step_of(path), model.hash().substr(0, 16), std::move(dynamics)});
    }
  }
  const StudySubject subject{first.spec(),
                             first.parameter_count(),
                             tokenizer,
                             tokens,
                             request.text.file,
                             request.text.split,
                             options.window,
                             options.loops,
                             request.seed,
                             options.threads,
                             std::string(kernels().name),
                             "gyre " GYRE_VERSION,
                             request.command};
  nlohmann::json study = study_json(subject, checkpoints);
  write_text_atomically(request.out, study_page(study));
  study["measures"] = token_measures_json(checkpoints);
  const fs::path data = fs::path(request.out).replace_extension(".json");
  write_text_atomically(data, study.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  if (request.json) {
    study.erase("measures");
    fmt::print("{}\n", study.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  for (const Finding& finding : findings_of(subject, checkpoints)) {
    const char* verdict = finding.holds == Finding::Holds::yes  ? "holds"
                          : finding.holds == Finding::Holds::no ? "does not hold"
                                                                : "open";
    fmt::print("{} — {}\n  paper: {}\n  here:  {}\n", finding.title, verdict, finding.paper, finding.here);
  }
  fmt::print("\npage {}\ndata {}\n", request.out, data.string());
}

}  // namespace

void add_study(CLI::App& program) {
  auto request = std::make_shared<Request>();
  CLI::App* command = program.add_subcommand("study", "Measure the latent dynamics of a looped model and draw them");
  command->add_option("-m,--model", request->models, "Model folder, or a folder of checkpoints; several make a series")
      ->required();
  add_loop_flags(*command, request->layer_loops);
  add_text_options(*command, request->text);
  command->get_option("--text")->required();
  command->add_option("--tokens", request->tokens, "Tokens to measure")
      ->check(CLI::Range(2, 1 << 24))
      ->capture_default_str();
  command->add_option("--loops", request->loops, "Loops: one count for every looped group, or one each as in 4/8/4");
  command->add_option("--threads", request->threads, "Threads (default: all cores)")->check(CLI::Range(1, 1024));
  command->add_option("--seed", request->seed, "Seed of noise in first states")->capture_default_str();
  command->add_option("--out", request->out, "Page to write; the numbers go beside it as .json")->capture_default_str();
  command->add_flag("--json", request->json, "Print the summary as JSON");
  command->footer(
      "Examples:\n"
      "  gyre study -m models/shakespeare --text input.txt --split validation --out study.html\n"
      "  gyre study -m runs/shakespeare/checkpoints --text input.txt --split validation --loops 8");
  command->callback([request] {
    request->command = "gyre study";
    for (const std::string& model : request->models) request->command += " -m " + model;
    request->command +=
        fmt::format(" --text {} --split {} --tokens {}", request->text.file, request->text.split, request->tokens);
    if (!request->loops.empty()) request->command += " --loops " + request->loops;
    if (!request->layer_loops.runs.empty()) request->command += " --loop " + request->layer_loops.runs;
    run(*request);
  });
}

}  // namespace gyre::cli
