#pragma once

#include <span>
#include <vector>

#include "study/exits/exit_study.hpp"

namespace gyre {

/// Times each trial, and full depth, on the same stretches of the text, `tokens` in all, token by token as a text is
/// generated; in turn on each stretch, so that the machine's moods fall on all alike.
std::vector<ExitTime> time_trials(const Model& model, const UnitText& text, std::span<const ExitTrial> trials,
                                  int tokens, const EvaluationOptions& options, const ProgressSink& progress);

}  // namespace gyre
