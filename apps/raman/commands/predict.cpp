#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/error.hpp"
#include "cli/checks.hpp"
#include "cli/interrupt.hpp"
#include "raman/commands/commands.hpp"
#include "raman/predictor.hpp"

namespace gyre::raman {
namespace {

struct Request {
  std::string model;
  std::vector<std::string> files;
  double coverage = 0.9;
  int top = 5;
  int threads = 0;
  bool json = false;
};

std::string describe(const nlohmann::json& nearest, const Gazetteer& gazetteer) {
  const std::string mineral = nearest[1];
  const std::string specimen = nearest[0];
  return fmt::format("{} {} ({})", mineral.empty() ? "a spectrum" : mineral, specimen,
                     gazetteer.country(nearest[2].get<std::string>()).name);
}

nlohmann::json to_json(const Prediction& one, const Gazetteer& gazetteer) {
  if (!one.failure.empty()) return {{"source", one.source}, {"failure", one.failure}};
  nlohmann::json ranked = nlohmann::json::array();
  for (const auto& [code, probability] : one.ranked) {
    ranked.push_back({{"code", code}, {"country", gazetteer.country(code).name}, {"probability", probability}});
  }
  nlohmann::json set = nlohmann::json::array();
  for (std::size_t i = 0; i < one.set; ++i) set.push_back(one.ranked[i].first);
  return {{"source", one.source},
          {"ranked", ranked},
          {"set", set},
          {"nearest",
           {{"specimen", one.nearest[0]},
            {"mineral", one.nearest[1]},
            {"code", one.nearest[2]},
            {"similarity", one.similarity}}},
          {"too_far_from_anything_seen", one.far}};
}

void print_prediction(const Prediction& one, const Request& request, const Gazetteer& gazetteer) {
  fmt::print("{}\n", one.source);
  if (!one.failure.empty()) {
    fmt::print("  no prediction: {}\n", one.failure);
    return;
  }
  if (one.far) fmt::print("  too far from anything seen: the probabilities below mean little\n");
  const std::size_t shown = std::min(one.ranked.size(), static_cast<std::size_t>(request.top));
  for (std::size_t i = 0; i < shown; ++i) {
    fmt::print("  {:>5} %  {}\n", percent(one.ranked[i].second), gazetteer.country(one.ranked[i].first).name);
  }
  std::string set;
  for (std::size_t i = 0; i < one.set; ++i) set += (i == 0 ? "" : " ") + one.ranked[i].first;
  fmt::print("  set at {:.0f} %: {} of {} countries: {}\n", 100 * request.coverage, one.set, one.ranked.size(), set);
  fmt::print("  nearest seen: {}, similarity {:.3f}\n", describe(one.nearest, gazetteer), one.similarity);
}

void run_predict(const Request& request) {
  const Gazetteer gazetteer;
  const Collection collection = read_collection({request.files.begin(), request.files.end()}, {}, cli::interrupt());
  if (collection.spectra.empty() && !collection.rejected.empty()) {
    const RejectedFile& first = collection.rejected.front();
    throw Error("{}: {}", first.source, first.detail);
  }
  if (collection.spectra.empty()) throw Error("{}: no spectrum is there", request.files.front());
  const Backend& backend = load_backend("predict");
  const Predictor predictor(request.model, backend, request.threads);
  const std::vector<Prediction> predictions = predictor.predict(collection.spectra, request.coverage);
  report_rejected(collection.rejected);
  if (!request.json) {
    for (const Prediction& one : predictions) print_prediction(one, request, gazetteer);
    return;
  }
  nlohmann::json rows = nlohmann::json::array();
  for (const Prediction& one : predictions) rows.push_back(to_json(one, gazetteer));
  const nlohmann::json all = {{"program", "gyre-raman " GYRE_VERSION},
                              {"model", request.model},
                              {"coverage", request.coverage},
                              {"similarity_of_the_unusual", predictor.novelty_threshold()},
                              {"predictions", rows}};
  fmt::print("{}\n", all.dump(1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

void add_predict(CLI::App& program) {
  auto request = std::make_shared<Request>();
  CLI::App* command = program.add_subcommand("predict", "Rank the countries that a spectrum may come from");
  command->add_option("-m,--model", request->model, "Folder that gyre-raman train wrote")
      ->required()
      ->check(cli::some_text());
  command->add_option("FILE", request->files, "Spectra: RRUFF text, JCAMP-DX, tables, folders, zip archives")
      ->required()
      ->check(cli::some_text());
  command->add_option("--coverage", request->coverage, "Share of truths that the cross-conformal sets are made for")
      ->check(cli::number(0.5, 0.99))
      ->capture_default_str();
  command->add_option("--top", request->top, "Countries to print")->check(cli::whole_number(1))->capture_default_str();
  cli::add_threads_option(*command, request->threads);
  command->add_flag("--json", request->json, "Print JSON");
  command->callback([request] { run_predict(*request); });
}

}  // namespace gyre::raman
