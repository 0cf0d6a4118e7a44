#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace gyre::raman {

/// Throws Error, led by `where`, when the JSON is not what gyre-raman cv writes.
void require_results(const nlohmann::json& results, const std::string& where);

/// The results of a cross-validation as one self-contained HTML page.
std::string report_page(const nlohmann::json& results);

/// Predictions as one self-contained HTML page: the spectra that each was compared with, overlaid, and what speaks for
/// each country. `predictions` is what gyre-raman predict --json prints, with the spectra on the grid as "input".
std::string prediction_page(const nlohmann::json& predictions);

}  // namespace gyre::raman
