#pragma once

#include <filesystem>

#include "base/stop.hpp"
#include "train/ranks.hpp"

namespace gyre {

/// What `gyre grpo` was asked for.
struct GrpoRequest {
  std::filesystem::path config;
  std::filesystem::path model;  ///< that learns: a folder or GGUF file
  std::filesystem::path data;   ///< JSON lines of prompts
  std::filesystem::path out;
  std::filesystem::path held_out = {};  ///< prompts that are answered and never learned from, in place of a share of
                                        ///< data; empty: none
  bool evaluate = false;                ///< only answers held_out, and leaves OUT/held_out.jsonl
  bool resume = false;
  int threads = 0;    ///< 0: all cores
  int steps = 0;      ///< in place of the config's; 0: as it says
  bool json = false;  ///< each line of metrics.jsonl, and a last one of the result, on standard output too
  Ranks ranks = {};   ///< processes that learn together
  Stop stop = {};     ///< ends the run behind the step it is at; what was learned is saved
};

/// Trains a policy by GRPO (arXiv 2402.03300) on rewards, and leaves OUT/adapter (or OUT/model, where all weights
/// learn), OUT/checkpoints/step-N, OUT/metrics.jsonl, OUT/completions.jsonl, OUT/held_out.jsonl (the latest answers to
/// prompts held out) and OUT/events (for TensorBoard). Throws
/// Error for every mistake of the user. Returns false when it was stopped.
bool grpo(const GrpoRequest& request);

}  // namespace gyre

/// The module's entry for the program that loads it.
extern "C" bool gyre_grpo_entry(const gyre::GrpoRequest& request);
