#include "raman/report.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "base/error.hpp"

extern "C" {
// Put into the program by the build (cmake/embed.cmake); D3 is a part of libgyre.
extern const char gyre_raman_page[];  // NOLINT(modernize-avoid-c-arrays)
extern const std::size_t gyre_raman_page_size;
extern const char gyre_d3[];  // NOLINT(modernize-avoid-c-arrays)
extern const std::size_t gyre_d3_size;
}

namespace gyre::raman {
namespace {

void replace_once(std::string& text, std::string_view placeholder, std::string_view value) {
  const std::size_t at = text.find(placeholder);
  if (at == std::string::npos) throw Error("the page template lacks {}; build the program again", placeholder);
  text.replace(at, placeholder.size(), value);
}

/// JSON that can stand inside a script element.
std::string script_json(const nlohmann::json& json) {
  // In ASCII, so that U+2028 and U+2029, which end lines of older scripts, are escaped too. The signs of markup occur
  // in strings alone: without them no "</script>", "<!--" or "]]>" can stand there.
  std::string text;
  for (const char c : json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace)) {
    if (c == '<' || c == '>' || c == '&')
      text += fmt::format("\\u{:04x}", static_cast<int>(c));
    else
      text += c;
  }
  return text;
}

}  // namespace

void require_results(const nlohmann::json& results, const std::string& where) {
  bool fits = results.is_object() && results.contains("protocols") && results["protocols"].is_array() &&
              !results["protocols"].empty() && results.contains("data") && results["data"].contains("countries") &&
              results["data"].contains("world") && results["data"].contains("grid");
  constexpr auto kParts =
      std::to_array<const char*>({"name", "specimen_in_training", "mineral_in_training", "model", "baselines", "sets",
                                  "reliability", "countries", "confusion", "wavenumbers", "training_seconds"});
  const auto whole = [&](const nlohmann::json& protocol) {
    return std::all_of(kParts.begin(), kParts.end(), [&](const char* part) { return protocol.contains(part); });
  };
  if (fits) fits = std::all_of(results["protocols"].begin(), results["protocols"].end(), whole);
  if (!fits) throw Error("{}: it is no results.json of gyre-raman cv", where);
}

std::string report_page(const nlohmann::json& results) {
  std::string page(gyre_raman_page, gyre_raman_page_size);
  replace_once(page, "/*GYRE_DATA*/null", script_json(results));
  replace_once(page, "/*GYRE_D3*/", std::string_view(gyre_d3, gyre_d3_size));
  return page;
}

}  // namespace gyre::raman
