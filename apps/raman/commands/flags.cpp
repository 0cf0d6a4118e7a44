#include <fmt/format.h>

#include <set>

#include "base/error.hpp"
#include "base/module.hpp"
#include "base/progress.hpp"
#include "cli/checks.hpp"
#include "cli/interrupt.hpp"
#include "format/json_object.hpp"
#include "raman/commands/commands.hpp"
#include "raman/geocoder.hpp"
#include "raman/origin_model.hpp"

namespace gyre::raman {
namespace {

/// Countries of localities that the tables do not tell, from the geocoder.
std::map<std::string, std::string> ask_geocoder(const DataFlags& flags, const Collection& collection,
                                                const std::vector<Label>& labels) {
  std::map<std::string, std::string> codes;
  if (flags.geocoder.empty()) return codes;
  GeocoderSettings settings = parse_geocoder(flags.geocoder, "--geocoder");
  settings.cache = flags.geocoder_cache;
  settings.retries.stop = cli::interrupt();
  Geocoder geocoder(std::move(settings), [](const std::string& notice) { fmt::print(stderr, "{}\n", notice); });
  std::set<std::string> open;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::string plain = plain_name(collection.spectra[i].locality);
    if (labels[i].origin == Origin::unknown && !plain.empty() && plain != "unknown") {
      open.insert(collection.spectra[i].locality);
    }
  }
  Progress progress("geocode", static_cast<std::int64_t>(open.size()), "localities");
  std::int64_t done = 0;
  for (const std::string& locality : open) {
    progress.update(done++);
    codes[locality] = geocoder.country_of(locality);
  }
  geocoder.save();
  return codes;
}

}  // namespace

void add_data_flags(CLI::App& command, DataFlags& flags) {
  command.add_option("--data", flags.data, "Spectra: files, folders, zip archives of rruff.info")
      ->required()
      ->check(cli::some_text());
  CLI::Option* geocoder =
      command.add_option("--geocoder", flags.geocoder,
                         "Ask a server for localities that the tables do not tell: nominatim=URL or photon=URL");
  geocoder->check(cli::some_text());
  command.add_option("--geocoder-cache", flags.geocoder_cache, "File that keeps the server's answers (JSON)")
      ->check(cli::some_text())
      ->needs(geocoder);
}

void add_train_flags(CLI::App& command, TrainFlags& flags) {
  add_data_flags(command, flags.data);
  command.add_option("--config", flags.config, "Preprocessing, model and training settings (JSON)")
      ->required()
      ->check(cli::some_text());
  command.add_option("--out", flags.out, "Folder for results, checkpoints and metrics")
      ->required()
      ->check(cli::some_text());
  command.add_flag("--resume", flags.resume, "Go on with the run in --out");
  command.add_option("--folds", flags.folds, "Folds of the cross-validation")
      ->check(cli::whole_number(2, 100))
      ->capture_default_str();
  command.add_option("--seed", flags.seed, "Seed of every draw")->check(cli::seed_number())->capture_default_str();
  cli::add_threads_option(command, flags.threads);
}

LabelledSpectra read_labelled(const DataFlags& flags, const Gazetteer& gazetteer, bool infrared) {
  LabelledSpectra labelled;
  {
    Progress progress("read", 1, "files");
    const auto report = [&progress](std::int64_t done, std::int64_t total) {
      progress.set_total(total);
      progress.update(done);
    };
    labelled.collection = read_collection({flags.data.begin(), flags.data.end()}, report, cli::interrupt(), infrared);
  }
  labelled.labels = label_spectra(labelled.collection.spectra, gazetteer);
  if (!flags.geocoder.empty()) {
    labelled.labels = label_spectra(labelled.collection.spectra, gazetteer,
                                    ask_geocoder(flags, labelled.collection, labelled.labels));
  }
  return labelled;
}

PreparedRun prepare_run(const TrainFlags& flags, const Backend* backend) {
  PreparedRun run;
  run.settings = {load_settings(flags.config),
                  flags.config,
                  flags.out,
                  flags.resume,
                  flags.folds,
                  flags.seed,
                  flags.threads,
                  cli::interrupt()};
  const JsonObject object(run.settings.config, flags.config);
  object.allow(
      {"name", "min_spectra", "preprocessing", "augmentation", "model", "pretraining", "training", "retrieval"});
  const int least = object.integer("min_spectra", 2, 1'000'000, 20);
  const nlohmann::json empty = nlohmann::json::object();
  const bool given = object.has("preprocessing");
  run.preprocessing =
      parse_preprocessing(given ? run.settings.config["preprocessing"] : empty, flags.config + ": preprocessing");
  // What the defaults are may change with the program: the run keeps what they were.
  run.settings.config["preprocessing"] = to_json(run.preprocessing);
  if (object.has("retrieval")) {
    run.settings.config["retrieval"] =
        to_json(parse_retrieval(run.settings.config["retrieval"], flags.config + ": retrieval"));
  }
  if (backend != nullptr) backend->check(run.settings.config, flags.config, run.preprocessing.points);
  const bool infrared = object.has("pretraining") && object.object("pretraining").boolean("infrared", false);
  const LabelledSpectra labelled = read_labelled(flags.data, run.gazetteer, infrared);
  report_rejected(labelled.collection.rejected);
  run.data = build_dataset(labelled.collection, labelled.labels, run.preprocessing, least);
  const Selection& selection = run.data.selection;
  fmt::print(stderr, "{} spectra of {} countries with {} or more; {} of {} stated localities resolved\n",
             run.data.examples.size(), run.data.countries.size(), least, selection.located, selection.stated);
  if (infrared) fmt::print(stderr, "{} infrared spectra, for pretraining alone\n", selection.infrared);
  return run;
}

const Backend& load_backend(const std::string& command) {
  prepare_torch_environment(command);
  void* module = load_module("libgyre_raman_torch.so", command);
  return *reinterpret_cast<decltype(&gyre_raman_backend)>(module_function(module, "gyre_raman_backend", command))();
}

void report_rejected(const std::vector<RejectedFile>& rejected) {
  constexpr int kShown = 3;
  std::map<Rejection, int> counts;
  for (const RejectedFile& file : rejected) ++counts[file.reason];
  for (const auto& [reason, count] : counts) {
    fmt::print(stderr, "{} {} left out: {}\n", count, count == 1 ? "file" : "files", explain(reason));
    int shown = 0;
    for (const RejectedFile& file : rejected) {
      if (file.reason == reason && shown++ < kShown) fmt::print(stderr, "  {}: {}\n", file.source, file.detail);
    }
  }
}

std::string percent(double share) { return fmt::format("{:.1f}", 100 * share); }

}  // namespace gyre::raman
