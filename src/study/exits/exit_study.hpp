#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/language.hpp"
#include "study/exits/exit_comparison.hpp"
#include "study/exits/exit_thresholds.hpp"
#include "study/exits/exit_trials.hpp"
#include "study/tasks/task.hpp"

namespace gyre {

/// Tasks that rules are also tried on.
struct ExitTaskOptions {
  std::vector<TaskFile> files = {};
  const Language* language = nullptr;  ///< of the model; there has to be one where there are files
  int window = 0;                      ///< tokens of a question with its answer
  int answer_tokens = 256;             ///< most that are generated
};

struct ExitStudyOptions {
  EvaluationOptions evaluation = {};
  int grid = 16;           ///< thresholds of a rule that are recorded
  int points = 5;          ///< of them, how many are run with the work truly skipped
  int deals = 2;           ///< times that each control of dealt depths is drawn
  int timed_tokens = 256;  ///< that are decoded one by one under each trial to take its time; 0: none
  int free_tokens = 0;     ///< written by the model itself behind each unit's first tokens; 0: none
  int prompt_tokens = 16;  ///< those first tokens
  ExitTaskOptions tasks = {};
};

/// A threshold along states of full depth.
struct RecordedThreshold {
  double threshold = 0;
  double loops_per_token = 0;
};

/// A trial's time beside that of full depth on the same tokens.
struct ExitTime {
  double milliseconds_per_token = 0;
  double of_full_depth = 0;  ///< a ratio: the median over stretches of the text
};

/// Texts that the model wrote itself, with exits and without.
struct FreeRun {
  UnitSums sums;  ///< its disagreement: positions where the two texts differ
};

/// What a rule at one threshold made of a task; units are items.
struct TaskPoint {
  UnitSums sums;
  UnitSums dealt;  ///< its own depths drawn blind to the token, the mean of several draws
};

/// One rule at one threshold, run, beside its controls. Differences are trial − control.
struct ExitPoint {
  std::string rule;
  std::optional<double> threshold;
  UnitSums sums;
  UnitSums dealt;         ///< its own depths dealt out over all tokens, the mean of several draws
  UnitSums dealt_within;  ///< and within each unit
  std::optional<ExitTime> time;
  std::optional<FreeRun> free, free_dealt;
  std::vector<TaskPoint> tasks = {};  ///< one a task of the study
};

/// One rule with its thresholds.
struct ExitFront {
  std::string rule;  ///< as it was given
  std::string key;   ///< of its threshold; empty where that was given
  std::vector<RecordedThreshold> recorded;
  std::vector<ExitPoint> points;  ///< the fewest loops first
};

/// Every looped group at one depth, or at all its loops where it has fewer.
struct ConstantDepth {
  int loops = 0;
  UnitSums sums;
  std::optional<ExitTime> time;
  std::optional<FreeRun> free;
  std::vector<UnitSums> tasks = {};  ///< one a task of the study
};

/// A task that was asked beside the text.
struct StudiedTask {
  std::string name;
  std::string file;
  std::string measure;  ///< acc, or exact_match_flexible
  std::size_t items = 0;
};

/// Depths that know more than a rule can: read off the constants, then run.
struct OracleDepth {
  std::string name;
  std::string what;
  double promised = 0;  ///< cross-entropy of the constants it picks from, nats/token
  UnitSums sums;        ///< of the run, where tokens read what others left
};

struct ExitStudy {
  std::size_t units = 0;
  bool of_documents = false;
  std::int64_t tokens = 0;
  std::vector<ConstantDepth> constants;  ///< ascending; the last one is full depth
  std::size_t best = 0;                  ///< of the constants, by cross-entropy on this text
  std::vector<ExitFront> fronts;
  std::vector<OracleDepth> oracles;
  std::vector<StudiedTask> tasks = {};

  [[nodiscard]] std::vector<UnitSums> constant_sums() const;
};

/// Where a study is, for a line of progress.
using StageSink = std::function<ProgressSink(std::string_view stage)>;

/// Compares rules on a text. A rule whose threshold is left open is recorded at a grid of them in one pass over the
/// text, and run at some that spread its loops; another is run as it is. Every run skips the work behind an exit and
/// reads what that leaves. The same constants and points are then asked the tasks. Throws Error naming a rule that no
/// threshold lets leave, or a task of too few items.
ExitStudy study_exits(const Model& model, const MeasuredText& text, std::span<const ExitChoice> rules,
                      const ExitStudyOptions& options, const StageSink& stage);

/// The rules that are compared unless told: those of states, those of a decoded distribution, and a model's own gate.
std::vector<ExitChoice> usual_rules(const ModelSpec& spec);

}  // namespace gyre
