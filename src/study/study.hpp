#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "study/dynamics.hpp"
#include "study/findings.hpp"
#include "text/tokenizer.hpp"

namespace gyre {

/// What a study is of, besides its checkpoints.
struct StudySubject {
  const ModelSpec& spec;
  std::int64_t parameters = 0;
  const Tokenizer& tokenizer;
  std::vector<int> loops;
  nlohmann::json text;      ///< which text, and what of it: goes into the result as it is
  nlohmann::json settings;  ///< all else that the result depends on, likewise
  std::string program;
  std::string command;  ///< that does the study again
};

/// The summary that the page draws: spreads, trajectories, findings. Numbers that are not finite are null.
nlohmann::json study_json(const StudySubject& subject, const std::vector<StudiedCheckpoint>& checkpoints);

nlohmann::json findings_json(const std::vector<Finding>& findings);

/// Every measure of every group, loop and token, rounded to 5 digits, by checkpoint.
nlohmann::json token_measures_json(const std::vector<StudiedCheckpoint>& checkpoints);

/// The self-contained page: D3, the data and the plots in one file.
std::string study_page(const nlohmann::json& study);

}  // namespace gyre
