#pragma once

#include <span>
#include <vector>

#include "study/exits/exit_trials.hpp"

namespace gyre {

struct FreeTextOptions {
  int tokens = 0;         ///< to write
  int prompt_tokens = 0;  ///< that begin a unit, the prefix not counted; all of a shorter one
  int deals = 1;          ///< draws of the dealt depths
};

struct FreeRuns {
  std::vector<UnitSums> trials;  ///< disagreement: positions where the text differs from that of full depth
  std::vector<UnitSums> dealt;   ///< the mean of the draws
};

/// The model goes on greedily behind the beginning of each unit, which goes in at full depth: once without exits, and
/// under each trial. Beside them, depths dealt out from those of `dealt`, a scored position's at a time. Cross-entropy
/// and KL are not measured: the texts differ. End tokens are not heeded. Throws Error when the context does not hold
/// it.
FreeRuns run_free_texts(const Model& model, const UnitText& text, std::span<const ExitTrial> trials,
                        std::span<const PositionDepths* const> dealt, const FreeTextOptions& free,
                        const EvaluationOptions& options, const ProgressSink& progress);

}  // namespace gyre
