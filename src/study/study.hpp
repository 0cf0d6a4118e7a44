#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "study/dynamics.hpp"
#include "text/tokenizer.hpp"

namespace gyre {

/// One model of a study: several checkpoints of one training run make "across training".
struct StudiedCheckpoint {
  std::string path;
  int step = 0;  ///< training step, 0 when unknown
  std::string model_hash;
  Dynamics dynamics;
};

/// What a study is of, besides its checkpoints: goes into the result as it is.
struct StudySubject {
  const ModelSpec& spec;
  std::int64_t parameters = 0;
  const Tokenizer& tokenizer;
  std::vector<std::int32_t> tokens;
  std::string text_file;
  std::string split;
  int window = 0;
  std::vector<int> loops;
  std::uint64_t seed = 1;
  int threads = 1;
  std::string isa;
  std::string program;
  std::string command;
};

/// One claim of arXiv 2509.23314 held against these measurements.
struct Finding {
  std::string id;
  std::string title;
  std::string paper;
  std::string here;
  enum class Holds { no, yes, unclear } holds = Holds::unclear;
};
std::vector<Finding> findings_of(const StudySubject& subject, const std::vector<StudiedCheckpoint>& checkpoints);

/// The summary that the page draws: spreads, trajectories, findings.
nlohmann::json study_json(const StudySubject& subject, const std::vector<StudiedCheckpoint>& checkpoints);

/// Every measure of every group, loop and token, rounded to 5 digits, by checkpoint.
nlohmann::json token_measures_json(const std::vector<StudiedCheckpoint>& checkpoints);

/// The self-contained page: D3, the data and the plots in one file.
std::string study_page(const nlohmann::json& study);

}  // namespace gyre
