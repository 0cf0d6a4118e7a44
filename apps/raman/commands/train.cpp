#include <fmt/format.h>

#include <memory>

#include "raman/commands/commands.hpp"
#include "raman/predictor.hpp"

namespace gyre::raman {
namespace {

struct Request {
  TrainFlags train;
  std::string protocol = "specimen";
};

void run_train(const Request& request) {
  const Protocol protocol = parse_protocol(request.protocol, "--protocol");
  const Backend& backend = load_backend("train");
  const PreparedRun run = prepare_run(request.train, &backend);
  require_enough_for_sets(run.data);
  claim_folder(run.data, run.settings);
  const auto model = fit_origin({backend, run.settings.config, run.settings.where, run.data.examples, protocol,
                                 run.settings.out / "fit", "train", run.settings.seed, run.settings.threads,
                                 run.settings.stop, &run.data.more});
  if (!model) {
    fmt::print(stderr, "stopped; go on with --resume\n");
    return;
  }
  write_model(run.settings.out / "model", run.data, run.settings, *model);
  const bool measurements = method_of(run.settings.config, run.settings.where) == "measured";
  fmt::print(stderr,
             "accuracy on the training side, each spectrum asked about with {} out of sight: {} %\n"
             "(gyre-raman cv measures it on spectra that took no part in anything)\nwrote {}\n",
             protocol == Protocol::spectra ? "itself" : fmt::format("its {}", name_of(protocol)),
             percent(model->fitted().mixing(measurements).held_out.accuracy), (run.settings.out / "model").string());
}

}  // namespace

void add_train(CLI::App& program) {
  auto request = std::make_shared<Request>();
  CLI::App* command = program.add_subcommand("train", "Train a model on all spectra, calibrated on inner folds");
  add_train_flags(*command, request->train);
  command
      ->add_option(
          "--protocol", request->protocol,
          "What the model is for: specimen (new stones), spectra (stones that may be among the spectra), mineral")
      ->capture_default_str();
  command->footer(
      "Example:\n"
      "  gyre-raman train --config configs/raman.json --data excellent_unoriented.zip --out runs/raman\n"
      "  gyre-raman predict -m runs/raman/model my_spectrum.txt");
  command->callback([request] { run_train(*request); });
}

}  // namespace gyre::raman
