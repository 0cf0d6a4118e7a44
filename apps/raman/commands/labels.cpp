#include <fmt/format.h>

#include <memory>

#include "raman/commands/commands.hpp"

namespace gyre::raman {
namespace {

struct Request {
  DataFlags data;
  bool json = false;
};

void run_labels(const Request& request) {
  const Gazetteer gazetteer;
  const LabelledSpectra labelled = read_labelled(request.data, gazetteer);
  std::map<std::string, int> countries;
  std::map<std::string, int> origins;
  std::map<std::string, int> open;
  for (std::size_t i = 0; i < labelled.labels.size(); ++i) {
    const Label& label = labelled.labels[i];
    ++origins[std::string(name_of(label.origin))];
    if (label.origin == Origin::country) ++countries[label.country];
    if (label.origin == Origin::unknown) ++open[labelled.collection.spectra[i].locality];
  }
  std::map<std::string, int> rejected;
  for (const auto& [reason, count] : labelled.collection.rejected_by_reason()) {
    rejected[std::string(name_of(reason))] = count;
  }
  if (request.json) {
    nlohmann::json files = nlohmann::json::array();
    for (std::size_t i = 0; i < labelled.labels.size(); ++i) {
      const Spectrum& spectrum = labelled.collection.spectra[i];
      const Label& label = labelled.labels[i];
      files.push_back({{"file", spectrum.source},
                       {"specimen", spectrum.specimen},
                       {"mineral", spectrum.mineral},
                       {"locality", spectrum.locality},
                       {"origin", name_of(label.origin)},
                       {"country", label.origin == Origin::country ? nlohmann::json(label.country) : nlohmann::json()},
                       {"because", label.because}});
    }
    const nlohmann::json json = {{"spectra", labelled.labels.size()},
                                 {"files_rejected", rejected},
                                 {"origins", origins},
                                 {"countries", countries},
                                 {"unresolved_localities", open},
                                 {"files", files}};
    fmt::print("{}\n", json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  report_rejected(labelled.collection.rejected);
  fmt::print("{} spectra:", labelled.labels.size());
  for (const auto& [origin, count] : origins) fmt::print("  {} {}", origin, count);
  fmt::print("\n");
  for (const auto& [code, count] : countries)
    fmt::print("  {} {:32} {:6}\n", code, gazetteer.country(code).name, count);
  if (!open.empty()) fmt::print("localities without a country:\n");
  for (const auto& [locality, count] : open) fmt::print("  {:6}  \"{}\"\n", count, locality);
}

}  // namespace

void add_labels(CLI::App& program) {
  auto request = std::make_shared<Request>();
  CLI::App* command = program.add_subcommand("labels", "Show which countries the localities of spectra are taken for");
  add_data_flags(*command, request->data);
  command->add_flag("--json", request->json, "Print JSON");
  command->callback([request] { run_labels(*request); });
}

}  // namespace gyre::raman
