#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "study/evaluation.hpp"

namespace gyre {

struct BenchmarkOptions {
  std::vector<int> loops;  ///< per group
  KvPolicy kv_policy;
  NoiseStart start = NoiseStart::noise;
  int prompt = 512;                ///< tokens given at once; 0: none
  int tokens = 128;                ///< tokens decoded one after the other; 0: none
  int batch = 1;                   ///< sequences that are decoded together
  std::optional<ExitChoice> exit;  ///< of decoded tokens; nothing: full depth, and no rule is asked
  int rounds = 5;
  std::uint64_t seed = 1;
};

/// Tokens per second, a figure a round.
struct BenchmarkResult {
  std::vector<double> prompt;
  std::vector<double> generation;  ///< of all sequences together
  double loops_per_token = 0;      ///< of decoded tokens, over the looped groups together
};

/// Runs random tokens through the model: in every round the prompt in a fresh sequence, then the decoding in fresh
/// sequences that hold one token. One round more, before the others, warms up.
BenchmarkResult benchmark(Engine& engine, const BenchmarkOptions& options, const ProgressSink& progress);

}  // namespace gyre
