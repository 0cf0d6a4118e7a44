#include "raman/report.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "study/html_page.hpp"

extern "C" {
// Put into the program by the build (cmake/embed.cmake).
extern const char gyre_raman_page[];  // NOLINT(modernize-avoid-c-arrays)
extern const std::size_t gyre_raman_page_size;
extern const char gyre_raman_prediction_page[];  // NOLINT(modernize-avoid-c-arrays)
extern const std::size_t gyre_raman_prediction_page_size;
}

namespace gyre::raman {
void require_results(const nlohmann::json& results, const std::string& where) {
  bool fits = results.is_object() && results.contains("protocols") && results["protocols"].is_array() &&
              !results["protocols"].empty() && results.contains("data") && results["data"].contains("countries") &&
              results["data"].contains("world") && results["data"].contains("grid");
  constexpr auto kParts = std::to_array<const char*>({"name", "specimen_in_training", "mineral_in_training", "model",
                                                      "methods", "baselines", "sets", "reliability", "countries",
                                                      "confusion", "wavenumbers", "training_seconds"});
  const auto whole = [&](const nlohmann::json& protocol) {
    return std::all_of(kParts.begin(), kParts.end(), [&](const char* part) { return protocol.contains(part); });
  };
  if (fits) fits = std::all_of(results["protocols"].begin(), results["protocols"].end(), whole);
  if (!fits) throw Error("{}: it is no results.json of gyre-raman cv", where);
}

namespace {

std::string page_of(std::string_view page, const nlohmann::json& json) {
  const std::string data = script_json(json);
  const std::array<std::pair<std::string_view, std::string_view>, 2> values = {
      {{"/*GYRE_DATA*/null", data}, {"/*GYRE_D3*/", embedded_d3()}}};
  return filled_page(page, values);
}

}  // namespace

std::string report_page(const nlohmann::json& results) {
  return page_of(std::string_view(gyre_raman_page, gyre_raman_page_size), results);
}

std::string prediction_page(const nlohmann::json& predictions) {
  return page_of(std::string_view(gyre_raman_prediction_page, gyre_raman_prediction_page_size), predictions);
}

}  // namespace gyre::raman
