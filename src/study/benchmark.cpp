#include "study/benchmark.hpp"

#include <algorithm>

#include "base/interrupt.hpp"
#include "base/random.hpp"
#include "study/stopwatch.hpp"

namespace gyre {
namespace {

std::vector<std::int32_t> random_tokens(Random& random, int count, const ModelSpec& spec) {
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
  for (std::int32_t& token : tokens) {
    token = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(spec.vocab_size)));
  }
  return tokens;
}

double time_prompt(Engine& engine, const BenchmarkOptions& options, Random& random) {
  const std::vector<std::int32_t> tokens = random_tokens(random, options.prompt, engine.model().spec());
  Sequence sequence = engine.start(options.loops, options.prompt, options.kv_policy, options.seed, options.start);
  const Stopwatch watch;
  engine.prefill(sequence, tokens, Engine::Logits::last);
  return options.prompt / watch.seconds();
}

/// Sequences that hold one token, as rows of a batch; each asks a rule of its own.
struct Decoding {
  Decoding(Engine& engine, const BenchmarkOptions& options, Random& random) {
    const ModelSpec& spec = engine.model().spec();
    const auto rows = static_cast<std::size_t>(options.batch);
    for (std::size_t s = 0; s < rows; ++s) {
      sequences.push_back(
          engine.start(options.loops, options.tokens + 1, options.kv_policy, options.seed, options.start));
      if (options.exit) exits.emplace_back(*options.exit, ExitContext{spec, options.loops, {}}, s);
    }
    for (std::size_t s = 0; s < rows; ++s) {
      const std::int32_t token = random_tokens(random, 1, spec).front();
      batch.push_back({&sequences[s], token, options.exit ? &exits[s] : nullptr});
      engine.prefill(sequences[s], {&token, 1}, Engine::Logits::none);
    }
  }

  std::vector<Sequence> sequences;
  std::vector<BoundedExit> exits;
  std::vector<DecodeRow> batch;
};

/// Tokens per second; `loops` grows by the loops that were run.
double time_generation(Engine& engine, const BenchmarkOptions& options, Random& random, std::int64_t& loops) {
  const ModelSpec& spec = engine.model().spec();
  const std::vector<int> looped = spec.looped_groups();
  Decoding decoding(engine, options, random);
  const Stopwatch watch;
  for (int t = 0; t < options.tokens; ++t) {
    require_not_interrupted();
    for (DecodeRow& row : decoding.batch) row.token = random_tokens(random, 1, spec).front();
    engine.decode(decoding.batch);
    for (const DecodeRow& row : decoding.batch) {
      for (const int group : looped) loops += row.depth.loops[static_cast<std::size_t>(group)];
    }
  }
  return options.batch * options.tokens / watch.seconds();
}

}  // namespace

BenchmarkResult benchmark(Engine& engine, const BenchmarkOptions& options, const ProgressSink& progress) {
  Random random{options.seed};
  BenchmarkResult result;
  std::int64_t loops = 0;
  for (int round = 0; round <= options.rounds; ++round) {
    require_not_interrupted();
    const bool counts = round > 0;
    if (options.prompt > 0) {
      const double speed = time_prompt(engine, options, random);
      if (counts) result.prompt.push_back(speed);
    }
    if (options.tokens > 0) {
      const double speed = time_generation(engine, options, random, loops);
      if (counts) result.generation.push_back(speed);
    }
    progress(round + 1, options.rounds + 1);
  }
  const std::int64_t decoded = std::int64_t{options.rounds + 1} * options.batch * options.tokens;
  if (decoded > 0) result.loops_per_token = static_cast<double>(loops) / static_cast<double>(decoded);
  return result;
}

}  // namespace gyre
