#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>

#include "base/error.hpp"
#include "base/file.hpp"
#include "cli/checks.hpp"
#include "raman/commands/commands.hpp"
#include "raman/report.hpp"
#include "raman/summary.hpp"

namespace gyre::raman {
namespace {

struct Request {
  TrainFlags train;
  std::string protocols = "spectra,specimen,mineral";
  double coverage = 0.9;
  int fold = -1;    ///< the only one to run; -1: all
  int repeats = 1;  ///< partitions, of this seed and those that follow
  bool baselines_only = false;
  bool json = false;
};

std::vector<Protocol> protocols_of(const std::string& text) {
  std::vector<Protocol> protocols;
  std::istringstream names(text);
  for (std::string name; std::getline(names, name, ',');) {
    const Protocol protocol = parse_protocol(name, "--protocols");
    if (std::find(protocols.begin(), protocols.end(), protocol) != protocols.end()) {
      throw Error("--protocols: {} is named twice; name each once", name);
    }
    protocols.push_back(protocol);
  }
  if (protocols.empty()) throw Error("--protocols is empty; give spectra, specimen, mineral");
  return protocols;
}

/// A measure as a share in percent, or as it is (nats, Brier).
std::string cell(const nlohmann::json& measures, const std::string& name) {
  const nlohmann::json& interval = measures[name];
  const auto text = [&](const char* key) {
    const double value = interval[key].get<double>();
    return name == "log_loss" || name == "brier" ? fmt::format("{:.3f}", value) : percent(value);
  };
  return fmt::format("{} ({} to {})", text("mean"), text("low"), text("high"));
}

void print_row(const std::string& title, const nlohmann::json& measures) {
  fmt::print("  {:30}", title);
  for (const char* name : {"accuracy", "top3", "macro_f1", "log_loss", "brier"}) {
    fmt::print(" {:>23}", cell(measures, name));
  }
  fmt::print("\n");
}

void print_heading(const nlohmann::json& protocol) {
  fmt::print("folds over {}: {} % of test spectra have one of their specimen in training, {} % one of their mineral\n",
             protocol["name"].get<std::string>(), percent(protocol["specimen_in_training"]),
             percent(protocol["mineral_in_training"]));
  fmt::print("  {:30} {:>23} {:>23} {:>23} {:>23} {:>23}\n", "95 % intervals over folds", "accuracy, %", "top-3, %",
             "macro-F1, %", "log loss", "Brier");
}

void print_baselines(const nlohmann::json& protocol) {
  print_heading(protocol);
  for (const nlohmann::json& baseline : protocol["baselines"]) print_row(baseline["title"], baseline["measures"]);
  fmt::print("  above the majority country\n");
  for (const nlohmann::json& baseline : protocol["baselines"]) {
    if (baseline["name"] == "majority") continue;
    print_row("  " + baseline["title"].get<std::string>(), baseline["minus_majority"]);
  }
  fmt::print("\n");
}

void print_protocol(const nlohmann::json& protocol) {
  print_heading(protocol);
  for (const nlohmann::json& method : protocol["methods"]) print_row(method["title"], method["measures"]);
  for (const nlohmann::json& baseline : protocol["baselines"]) print_row(baseline["title"], baseline["measures"]);
  for (const nlohmann::json& method : protocol["methods"]) {
    fmt::print("  {} above\n", method["title"].get<std::string>());
    for (const nlohmann::json& baseline : protocol["baselines"]) {
      print_row("  " + baseline["title"].get<std::string>(),
                method["minus_baselines"][baseline["name"].get<std::string>()]);
    }
  }
  const nlohmann::json& sets = protocol["sets"];
  const auto print_sets = [](const std::string& title, const nlohmann::json& of) {
    fmt::print("  {}: they hold {} %, mean size {:.1f} countries\n", title, cell(of, "coverage"),
               of["size"]["mean"].get<double>());
  };
  print_sets(fmt::format("cross-conformal sets made for {} %", percent(sets["nominal"])), sets);
  for (const nlohmann::json& group : sets["groups"]) print_sets("  " + group["title"].get<std::string>(), group);
  fmt::print("\n");
}

void say_stopped() { fmt::print(stderr, "stopped; go on with --resume\n"); }

/// The folder and the settings of a further partition.
RunSettings partition(const RunSettings& settings, int repeat) {
  RunSettings other = settings;
  if (repeat == 0) return other;
  other.out = settings.out / fmt::format("repeat-{}", repeat);
  other.seed = settings.seed + static_cast<std::uint64_t>(repeat);
  return other;
}

/// The folders of all partitions. Once a run: each protocol writes into all of them. What the data cannot be divided by
/// is known before anything is written.
void claim_folders(const Request& request, const PreparedRun& run, const std::vector<Protocol>& protocols) {
  for (int repeat = 0; repeat < request.repeats; ++repeat) {
    const RunSettings settings = partition(run.settings, repeat);
    for (const Protocol protocol : protocols) static_cast<void>(folds_of(run.data, protocol, settings));
  }
  for (int repeat = 0; repeat < request.repeats; ++repeat) claim_folder(run.data, partition(run.settings, repeat));
}

void run_one_fold(const Request& request, const PreparedRun& run, const std::vector<Protocol>& protocols,
                  const Backend& backend) {
  claim_folders(request, run, protocols);
  for (int repeat = 0; repeat < request.repeats; ++repeat) {
    const RunSettings settings = partition(run.settings, repeat);
    for (const Protocol protocol : protocols) {
      if (!run_fold(run.data, protocol, request.fold, settings, backend)) return say_stopped();
    }
  }
  fmt::print(stderr, "fold {} is in {}/folds; --resume without --fold puts all together\n", request.fold,
             run.settings.out.string());
}

/// The folds of all partitions, one after the other; none when a stop was requested.
template <typename RunFolds>
std::optional<std::vector<FoldResult>> of_all_partitions(const Request& request, const PreparedRun& run,
                                                         const RunFolds& run_partition) {
  std::vector<FoldResult> folds;
  for (int repeat = 0; repeat < request.repeats; ++repeat) {
    auto more = run_partition(partition(run.settings, repeat));
    if (!more) return {};
    std::move(more->begin(), more->end(), std::back_inserter(folds));
  }
  return folds;
}

/// What every results file begins with.
nlohmann::json results_of(const Request& request, const PreparedRun& run) {
  return {{"program", "gyre-raman " GYRE_VERSION},
          {"config", run.settings.config},
          {"folds", run.settings.folds},
          {"repeats", request.repeats},
          {"seed", run.settings.seed},
          {"fingerprint", fingerprint(run.data, run.settings)},
          {"data", describe_data(run.data, run.gazetteer, run.preprocessing)},
          {"protocols", nlohmann::json::array()}};
}

void run_baselines_alone(const Request& request, const std::vector<Protocol>& protocols) {
  const PreparedRun run = prepare_run(request.train, nullptr);
  claim_folders(request, run, protocols);
  nlohmann::json results = results_of(request, run);
  for (const Protocol protocol : protocols) {
    const auto folds = of_all_partitions(
        request, run, [&](const RunSettings& settings) { return run_baselines(run.data, protocol, settings); });
    if (!folds) return say_stopped();
    results["protocols"].push_back(summarise_baselines(run.data, protocol, *folds, run.settings.folds));
    if (!request.json) print_baselines(results["protocols"].back());
  }
  write_text_atomically(run.settings.out / "baselines.json", results.dump(1) + "\n");
  if (request.json) fmt::print("{}\n", results.dump(1));
  fmt::print(stderr, "wrote {}/baselines.json\n", run.settings.out.string());
}

void run_cv(const Request& request) {
  const std::vector<Protocol> protocols = protocols_of(request.protocols);
  if (request.fold >= request.train.folds) {
    throw Error("--fold: {} is none of {} folds, which are counted from 0", request.fold, request.train.folds);
  }
  if (request.baselines_only) return run_baselines_alone(request, protocols);
  const Backend& backend = load_backend("cv");
  const PreparedRun run = prepare_run(request.train, &backend);
  if (request.fold >= 0) return run_one_fold(request, run, protocols, backend);
  claim_folders(request, run, protocols);
  nlohmann::json results = results_of(request, run);
  const std::string method = method_of(run.settings.config, run.settings.where);
  for (const Protocol protocol : protocols) {
    const auto folds = of_all_partitions(
        request, run, [&](const RunSettings& settings) { return run_folds(run.data, protocol, settings, backend); });
    if (!folds) return say_stopped();
    results["protocols"].push_back(
        summarise_protocol(run.data, protocol, *folds, run.settings.folds, method, request.coverage));
    if (!request.json) print_protocol(results["protocols"].back());
  }
  write_text_atomically(run.settings.out / "results.json", results.dump(1) + "\n");
  write_text_atomically(run.settings.out / "report.html", report_page(results));
  if (request.json) fmt::print("{}\n", results.dump(1));
  fmt::print(stderr, "wrote {0}/results.json and {0}/report.html\n", run.settings.out.string());
}

}  // namespace

void add_cv(CLI::App& program) {
  auto request = std::make_shared<Request>();
  CLI::App* command = program.add_subcommand("cv", "Cross-validate: how far to trust a model trained on such spectra");
  add_train_flags(*command, request->train);
  command->add_option("--protocols", request->protocols, "What stays together in a fold: spectra, specimen, mineral")
      ->capture_default_str();
  command->add_option("--coverage", request->coverage, "Share of truths that cross-conformal sets are made for")
      ->check(cli::number(0.5, 0.99))
      ->capture_default_str();
  CLI::Option* fold = command->add_option("--fold", request->fold, "Run this fold alone, counted from 0");
  fold->check(cli::whole_number(0));
  command->add_option("--repeats", request->repeats, "Partitions into folds, of this seed and those that follow")
      ->check(cli::whole_number(1, 100))
      ->capture_default_str();
  command->add_flag("--baselines-only", request->baselines_only, "Train no network: the simple rules alone")
      ->excludes(fold);
  command->add_flag("--json", request->json, "Print JSON");
  command->footer(
      "Examples:\n"
      "  gyre-raman cv --config configs/raman.json --data excellent_unoriented.zip --out runs/cv\n"
      "  gyre-raman cv --config configs/raman.json --data spectra/ --out runs/cv --protocols specimen --resume\n"
      "  gyre-raman cv --config configs/raman.json --data spectra/ --out runs/rules --baselines-only --repeats 10");
  command->callback([request] { run_cv(*request); });
}

}  // namespace gyre::raman
