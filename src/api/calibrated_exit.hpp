#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "api/provenance.hpp"
#include "engine/exits.hpp"

namespace gyre {

/// What tells a file of `gyre calibrate` from others: this key, and the version of what it holds.
inline constexpr std::string_view kCalibrationKey = "gyre_calibration";
inline constexpr int kCalibrationVersion = 1;

/// What a calibration holds for, and for nothing else: weights by digest and type, the stack and its loops, what later
/// tokens read of earlier ones, first states, noise; and what was learned, where the rule was.
nlohmann::json calibrated_conditions(const Model& model, const RunSettings& settings, const ExitChoice& rule);

/// A rule as parse_exit reads it, or "calibrated:FILE": the rule in a file that `gyre calibrate` wrote, which has to
/// have been calibrated for this model and these settings; a rule that was learned has to have been of this model. Its
/// text names rule and file. Throws Error otherwise, saying what differs.
ExitChoice exit_for(const std::string& text, const Model& model, const RunSettings& settings);

/// What is wrong whatever the model: thrown before one is read.
void check_exit(const std::string& text);

/// The help text of "calibrated:FILE".
std::string calibrated_exit_help();

}  // namespace gyre
