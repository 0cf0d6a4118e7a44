#include <fmt/format.h>

#include <memory>

#include "base/random.hpp"
#include "raman/commands/commands.hpp"
#include "raman/metrics.hpp"
#include "raman/predictor.hpp"
#include "raman/summary.hpp"

namespace gyre::raman {
namespace {

void stopped() { fmt::print(stderr, "stopped; go on with --resume\n"); }

void run_train(const TrainFlags& flags) {
  const Backend& backend = load_backend("train");
  const PreparedRun run = prepare_run(flags, backend);
  require_enough_for_sets(run.data);
  // Folds by specimen first: their out-of-fold predictions calibrate the model that is trained on everything.
  const auto folds = run_folds(run.data, Protocol::specimen, run.settings, backend);
  if (!folds) return stopped();
  const auto model =
      backend.fit({run.settings.config, run.settings.where, run.data.examples, run.settings.out / "fit", "train",
                   combine_seeds(run.settings.seed, static_cast<std::uint64_t>(run.settings.folds)),
                   run.settings.threads, run.settings.stop});
  if (!model) return stopped();
  write_model(run.settings.out / "model", run.data, run.settings, *model, *folds);
  const nlohmann::json summary = summarise_protocol(run.data, Protocol::specimen, *folds, 0.9);
  const nlohmann::json& accuracy = summary["model"]["accuracy"];
  fmt::print(stderr, "on specimens that it was not trained on: accuracy {} % (95 % interval {}-{} %)\nwrote {}\n",
             percent(accuracy["mean"]), percent(accuracy["low"]), percent(accuracy["high"]),
             (run.settings.out / "model").string());
}

}  // namespace

void add_train(CLI::App& program) {
  auto flags = std::make_shared<TrainFlags>();
  CLI::App* command = program.add_subcommand("train", "Train a model on all spectra, calibrated by cross-validation");
  add_train_flags(*command, *flags);
  command->footer(
      "Example:\n"
      "  gyre-raman train --config configs/raman.json --data excellent_unoriented.zip --out runs/raman\n"
      "  gyre-raman predict -m runs/raman/model my_spectrum.txt");
  command->callback([flags] { run_train(*flags); });
}

}  // namespace gyre::raman
