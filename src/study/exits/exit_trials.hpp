#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "study/exits/exit_recording.hpp"

namespace gyre {

/// Sums over the scored positions of each unit (document or window).
struct UnitSums {
  std::vector<double> tokens;
  std::vector<double> cross_entropy;  ///< nats, of what is emitted
  std::vector<double> kl;             ///< KL(full depth ‖ trial), nats
  std::vector<double> disagreement;   ///< positions where another token is the likeliest than at full depth
  std::vector<double> loops;          ///< over the looped groups together
  std::vector<double> layer_runs;     ///< of all groups: loops × layers
  std::vector<double> items;          ///< of a task: those asked; of a text 0
  std::vector<double> errors;         ///< of a task: those answered wrongly

  explicit UnitSums(std::size_t units = 0);
};
/// Σ numerators / Σ tokens.
double per_token(std::span<const double> numerators, const UnitSums& sums);

/// One way to leave, the work behind an exit truly skipped.
struct ExitTrial {
  std::string name;
  std::function<BoundedExit(std::size_t window)> exit;
  bool keeps_tokens = false;  ///< whether the loss and the choice of every position are kept
};

struct TrialResult {
  UnitSums sums;
  PositionDepths depths;              ///< of every position of every window
  std::vector<float> losses;          ///< −log p(target) of every position, where they are kept
  std::vector<std::int32_t> choices;  ///< the likeliest token of every position, likewise
  std::vector<std::uint8_t> agrees;   ///< 1 where that is the one of full depth, likewise
};

/// A text cut into windows, each of a unit: an exchangeable part of the text.
struct UnitText {
  std::vector<Window> windows;
  std::vector<std::size_t> unit;  ///< of each window
  std::size_t units = 0;
  bool of_documents = false;  ///< units are documents; else windows
};

/// Units are documents where there are at least `kFewDocuments`, else windows. Throws Error naming a document shorter
/// than two tokens.
inline constexpr std::size_t kFewDocuments = 8;
UnitText cut_units(const MeasuredText& text, const ModelSpec& spec, const EvaluationOptions& options);

/// Scored positions of each unit, among those of all windows.
std::vector<std::vector<std::size_t>> scored_positions(const UnitText& text);

/// Decodes every window token by token under every trial, side by side with full depth: each has keys and values of its
/// own, which its exits leave as they are.
std::vector<TrialResult> run_trials(const Model& model, const UnitText& text, std::span<const ExitTrial> trials,
                                    const EvaluationOptions& options, const ProgressSink& progress);

/// A trial by a rule.
ExitTrial rule_trial(const ExitChoice& rule, const ModelSpec& spec, const std::vector<int>& loops);
/// A trial that leaves where `depths` says, position by position; it has to outlive the trial.
ExitTrial dealt_trial(std::string name, const PositionDepths& depths, const UnitText& text, const ModelSpec& spec);

/// The rows of `depths` at scored positions dealt out anew: over all of them, or within each unit. What others have is
/// taken, so that means stay.
PositionDepths dealt_over_all(const PositionDepths& depths, const UnitText& text, std::uint64_t seed);
PositionDepths dealt_within_units(const PositionDepths& depths, const UnitText& text, std::uint64_t seed);

}  // namespace gyre
