#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/error.hpp"
#include "base/file.hpp"
#include "cli/checks.hpp"
#include "cli/interrupt.hpp"
#include "raman/commands/commands.hpp"
#include "raman/predictor.hpp"
#include "raman/report.hpp"

namespace gyre::raman {
namespace {

struct Request {
  std::string model;
  std::vector<std::string> files;
  double coverage = 0.9;
  int top = 5;
  int threads = 0;
  std::string page;
  bool json = false;
};

std::string describe(const Compared& one, const Gazetteer& gazetteer) {
  return fmt::format("{} {} ({})", one.mineral.empty() ? "a spectrum" : one.mineral, one.specimen,
                     gazetteer.country(one.country).name);
}

/// A number for JSON with the digits that mean something.
double rounded(double value) { return std::round(value * 1e6) / 1e6; }

nlohmann::json to_json(const Compared& one) {
  return {{"specimen", one.specimen},
          {"mineral", one.mineral},
          {"code", one.country},
          {"similarity", rounded(one.similarity)},
          {"same_specimen", rounded(one.same)}};
}

nlohmann::json to_json(const Prediction& one, const Gazetteer& gazetteer) {
  if (!one.failure.empty()) return {{"source", one.source}, {"failure", one.failure}};
  nlohmann::json ranked = nlohmann::json::array();
  for (std::size_t i = 0; i < one.ranked.size(); ++i) {
    const auto& [code, probability] = one.ranked[i];
    double found = 0;
    for (const Compared& spectrum : one.compared) found += spectrum.country == code ? spectrum.same : 0;
    nlohmann::json speaks = {{"specimens", rounded(found)}};
    for (std::size_t v = 0; v < kVoices; ++v) speaks[voice_names().at(v)] = rounded(one.voices[i].at(v));
    ranked.push_back({{"code", code},
                      {"country", gazetteer.country(code).name},
                      {"probability", probability},
                      {"speaks_for_it", speaks}});
  }
  nlohmann::json set = nlohmann::json::array();
  for (std::size_t i = 0; i < one.set; ++i) set.push_back(one.ranked[i].first);
  nlohmann::json compared = nlohmann::json::array();
  for (const Compared& spectrum : one.compared) compared.push_back(to_json(spectrum));
  return {{"source", one.source},
          {"ranked", ranked},
          {"set", set},
          {"nearest", to_json(one.compared.front())},
          {"compared", compared},
          {"no_spectrum_of_its_specimen", rounded(one.none_same)},
          {"learned_from", one.learned_from},
          {"too_far_from_anything_seen", one.far}};
}

void print_prediction(const Prediction& one, const Request& request, const Gazetteer& gazetteer) {
  fmt::print("{}\n", one.source);
  if (!one.failure.empty()) {
    fmt::print("  no prediction: {}\n", one.failure);
    return;
  }
  if (one.learned_from) {
    fmt::print(
        "  the model learned from this very spectrum: it is not compared with itself, and its network knew it\n");
  }
  if (one.far) fmt::print("  too far from anything seen: the probabilities below mean little\n");
  const std::size_t shown = std::min(one.ranked.size(), static_cast<std::size_t>(request.top));
  for (std::size_t i = 0; i < shown; ++i) {
    fmt::print("  {:>5} %  {}\n", percent(one.ranked[i].second), gazetteer.country(one.ranked[i].first).name);
  }
  std::string set;
  for (std::size_t i = 0; i < one.set; ++i) set += (i == 0 ? "" : " ") + one.ranked[i].first;
  fmt::print("  set at {:.0f} %: {} of {} countries: {}\n", 100 * request.coverage, one.set, one.ranked.size(), set);
  const Compared& nearest = one.compared.front();
  fmt::print("  nearest seen: {}, similarity {:.3f}\n", describe(nearest, gazetteer), nearest.similarity);
  const auto same = std::max_element(one.compared.begin(), one.compared.end(),
                                     [](const Compared& a, const Compared& b) { return a.same < b.same; });
  if (one.none_same < 1) {
    fmt::print("  same specimen: {}, {} %; none that is known, {} %\n", describe(*same, gazetteer), percent(same->same),
               percent(one.none_same));
  }
}

nlohmann::json all_json(const std::vector<Prediction>& predictions, const Request& request, const Predictor& predictor,
                        const Gazetteer& gazetteer) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Prediction& one : predictions) rows.push_back(to_json(one, gazetteer));
  return {{"program", "gyre-raman " GYRE_VERSION},
          {"model", request.model},
          {"coverage", request.coverage},
          {"similarity_of_the_unusual", predictor.novelty_threshold()},
          {"predictions", rows}};
}

/// The first predictions, with the spectra that they were compared with, as a page.
void write_page(const std::vector<Prediction>& predictions, const Request& request, const Predictor& predictor,
                const Gazetteer& gazetteer) {
  constexpr std::size_t kMost = 200;
  constexpr std::size_t kDrawn = 4;
  const std::vector<Prediction> shown(
      predictions.begin(), predictions.begin() + static_cast<std::ptrdiff_t>(std::min(kMost, predictions.size())));
  nlohmann::json all = all_json(shown, request, predictor, gazetteer);
  const auto rounded_values = [](std::span<const float> input) {
    std::vector<double> values;
    for (const float v : input) values.push_back(std::round(1e4 * double{v}) / 1e4);
    return values;
  };
  for (std::size_t i = 0; i < shown.size(); ++i) {
    if (!shown[i].failure.empty()) continue;
    nlohmann::json& row = all["predictions"][i];
    row["input"] = rounded_values(shown[i].input);
    for (std::size_t c = 0; c < std::min(kDrawn, shown[i].compared.size()); ++c) {
      row["compared"][c]["input"] = rounded_values(predictor.library_input(shown[i].compared[c].spectrum));
    }
  }
  all["grid"] = {{"from", predictor.preprocessing().from}, {"to", predictor.preprocessing().to}};
  write_text_atomically(request.page, prediction_page(all));
  fmt::print(stderr, "wrote {} with {} of {} spectra\n", request.page, shown.size(), predictions.size());
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
  if (!request.page.empty()) write_page(predictions, request, predictor, gazetteer);
  if (!request.json) {
    for (const Prediction& one : predictions) print_prediction(one, request, gazetteer);
    return;
  }
  const nlohmann::json all = all_json(predictions, request, predictor, gazetteer);
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
  command->add_option("--page", request->page, "Write a page that shows the spectra each was compared with (HTML)")
      ->check(cli::some_text());
  command->add_flag("--json", request->json, "Print JSON");
  command->callback([request] { run_predict(*request); });
}

}  // namespace gyre::raman
