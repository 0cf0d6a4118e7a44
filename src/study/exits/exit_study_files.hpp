#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "study/exits/exit_study.hpp"

namespace gyre {

/// A study of one checkpoint: constants, fronts with every point beside its controls, oracles. Costs are nats/token, or
/// shares; differences are trial − control, with 95 % intervals of the paired bootstrap over units.
nlohmann::json exit_study_json(const ExitStudy& study);

/// A line for every trial and control of every checkpoint; `studies` is the list of exit_study_json with a "path" each.
std::string exit_study_csv(const nlohmann::json& studies);

/// The fronts of one study, cross-entropy over loops, as a picture for papers.
std::string exit_study_svg(const nlohmann::json& study, const std::string& title);

/// The same of one of its tasks: the rise of the error over loops.
std::string exit_task_svg(const nlohmann::json& study, std::size_t task, const std::string& title);

/// The self-contained page of a result: {"checkpoints": [exit_study_json with path, name, settings …], "date", …}.
std::string exit_page(const nlohmann::json& result);

}  // namespace gyre
