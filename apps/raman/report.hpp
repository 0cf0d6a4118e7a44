#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace gyre::raman {

/// Throws Error, led by `where`, when the JSON is not what gyre-raman cv writes.
void require_results(const nlohmann::json& results, const std::string& where);

/// The results of a cross-validation as one self-contained HTML page.
std::string report_page(const nlohmann::json& results);

}  // namespace gyre::raman
