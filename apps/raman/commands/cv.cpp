#include <fmt/format.h>

#include <algorithm>
#include <memory>
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

std::string cell(const nlohmann::json& interval) {
  return fmt::format("{} ({}-{})", percent(interval["mean"]), percent(interval["low"]), percent(interval["high"]));
}

void print_row(const std::string& name, const nlohmann::json& measures) {
  fmt::print("  {:36} {:>18} {:>18} {:>18} {:>18} {:>18}\n", name, cell(measures["accuracy"]), cell(measures["top3"]),
             cell(measures["balanced_accuracy"]), cell(measures["macro_f1"]), cell(measures["calibration_error"]));
}

void print_protocol(const nlohmann::json& protocol) {
  fmt::print("folds over {}: {} % of test spectra have one of their specimen in training, {} % one of their mineral\n",
             protocol["name"].get<std::string>(), percent(protocol["specimen_in_training"]),
             percent(protocol["mineral_in_training"]));
  fmt::print("  {:36} {:>18} {:>18} {:>18} {:>18} {:>18}\n", "% (95 % interval over folds)", "accuracy", "top-3",
             "balanced", "macro-F1", "calibration error");
  print_row("ConvNeXt1D", protocol["model"]);
  for (const nlohmann::json& baseline : protocol["baselines"]) print_row(baseline["title"], baseline["measures"]);
  for (const nlohmann::json& baseline : protocol["baselines"]) {
    fmt::print("  accuracy above {}: {} points\n", baseline["title"].get<std::string>(),
               cell(baseline["model_minus_baseline"]["accuracy"]));
  }
  const nlohmann::json& sets = protocol["sets"];
  fmt::print("  cross-conformal sets made for {} %: they hold {} %, mean size {:.1f} countries\n\n",
             percent(sets["nominal"]), cell(sets["coverage"]), sets["size"]["mean"].get<double>());
}

void run_cv(const Request& request) {
  const std::vector<Protocol> protocols = protocols_of(request.protocols);
  const Backend& backend = load_backend("cv");
  const PreparedRun run = prepare_run(request.train, backend);
  nlohmann::json results = {{"program", "gyre-raman " GYRE_VERSION},
                            {"config", run.settings.config},
                            {"folds", run.settings.folds},
                            {"seed", run.settings.seed},
                            {"fingerprint", fingerprint(run.data, run.settings)},
                            {"data", describe_data(run.data, run.gazetteer, run.preprocessing)},
                            {"protocols", nlohmann::json::array()}};
  for (const Protocol protocol : protocols) {
    const auto folds = run_folds(run.data, protocol, run.settings, backend);
    if (!folds) {
      fmt::print(stderr, "stopped; go on with --resume\n");
      return;
    }
    results["protocols"].push_back(summarise_protocol(run.data, protocol, *folds, request.coverage));
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
  command->add_flag("--json", request->json, "Print JSON");
  command->footer(
      "Examples:\n"
      "  gyre-raman cv --config configs/raman.json --data excellent_unoriented.zip --out runs/cv\n"
      "  gyre-raman cv --config configs/raman.json --data spectra/ --out runs/cv --protocols specimen --resume");
  command->callback([request] { run_cv(*request); });
}

}  // namespace gyre::raman
