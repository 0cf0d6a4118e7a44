#pragma once

#include <string>
#include <vector>

#include "cli/options.hpp"
#include "study/evaluation.hpp"

namespace gyre::cli {

/// `gyre eval --examples`: answers the examples of a file under every rule, and prints accuracy and depth by level.
void run_examples(const std::string& file, const RunOptions& run, const Checkpoint& checkpoint,
                  const std::vector<ExitChoice>& rules, const EvaluationOptions& options,
                  const std::string& exit_prompt);

}  // namespace gyre::cli
