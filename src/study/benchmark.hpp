#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/scheduler.hpp"
#include "study/evaluation.hpp"

namespace gyre {

struct BenchmarkOptions {
  std::vector<int> loops;  ///< per group
  KvPolicy kv_policy;
  NoiseStart start = NoiseStart::noise;
  TestNoise test_noise = {};
  int prompt = 512;  ///< tokens given at once; 0: none
  int tokens = 128;  ///< tokens decoded one after the other; 0: none
  int behind = 1;    ///< tokens that decoding sequences hold at first, at least one
  int batch = 1;     ///< sequences that are decoded together
  Schedule schedule = Schedule::lockstep;
  int chunk = 0;  ///< above 0: the prompt also goes in by chunks of so many tokens while the sequences decode
  std::optional<ExitChoice> exit;  ///< of decoded tokens; nothing: full depth, and no rule is asked
  int rounds = 5;
  std::uint64_t seed = 1;
};

/// A prompt that goes in by chunks beside decoding sequences, milliseconds, a figure a round.
struct BesidePrompt {
  std::vector<double> longest_wait;   ///< of a decoded token for the next
  std::vector<double> longest_chunk;  ///< of the prompt alone
  std::vector<double> prompt;         ///< the whole prompt, beside the others
  std::vector<double> prompt_alone;
};

/// Tokens per second, a figure a round.
struct BenchmarkResult {
  std::vector<double> prompt;
  std::vector<double> generation;  ///< of all sequences together
  BesidePrompt beside;
  double loops_per_token = 0;     ///< of decoded tokens, over the looped groups together
  double passes_per_token = 0;    ///< of layers over their weights
  double rows_per_pass = 0;       ///< tokens that share one
  double kv_bytes_per_token = 0;  ///< of the sequences at their ends
};

/// Runs random tokens through the model: in every round the prompt in a fresh sequence, then the decoding in fresh
/// sequences that hold what it is to be behind. One round more, before the others, warms up.
BenchmarkResult benchmark(Engine& engine, const BenchmarkOptions& options, const ProgressSink& progress);

}  // namespace gyre
