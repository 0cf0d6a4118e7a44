#include "study/benchmark.hpp"

#include <algorithm>

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

Sequence start(const Engine& engine, const BenchmarkOptions& options, int context) {
  Sequence sequence = engine.start(options.loops, context, options.kv_policy, options.seed, options.start);
  sequence.test_noise = options.test_noise;
  return sequence;
}

double time_prompt(Engine& engine, const BenchmarkOptions& options, Random& random) {
  const std::vector<std::int32_t> tokens = random_tokens(random, options.prompt, engine.model().spec());
  Sequence sequence = start(engine, options, options.prompt);
  const Stopwatch watch;
  engine.prefill(sequence, tokens, Engine::Logits::last);
  return options.prompt / watch.seconds();
}

/// Sequences that hold what decoding is behind; each draws its tokens and asks a rule of its own.
struct Decoding {
  Decoding(Engine& engine, const BenchmarkOptions& options, Random& random) {
    const ModelSpec& spec = engine.model().spec();
    for (int s = 0; s < options.batch; ++s) {
      sequences.push_back(start(engine, options, options.behind + options.tokens));
      if (options.exit) {
        exits.emplace_back(*options.exit, ExitContext{spec, options.loops, {}}, static_cast<std::uint64_t>(s));
      }
      draws.emplace_back(random.bits());
    }
    for (std::size_t s = 0; s < sequences.size(); ++s) {
      engine.prefill(sequences[s], random_tokens(draws[s], options.behind, spec), Engine::Logits::none);
    }
  }
  [[nodiscard]] Job next(std::size_t s, const ModelSpec& spec) {
    return {&sequences[s], random_tokens(draws[s], 1, spec), exits.empty() ? nullptr : &exits[s]};
  }

  std::vector<Sequence> sequences;
  std::vector<BoundedExit> exits;
  std::vector<Random> draws;
};

/// What decoding made, added up over the rounds.
struct Totals {
  std::int64_t loops = 0;
  PassCount count;
  std::size_t kv_bytes = 0;
};

/// Tokens per second.
double time_generation(Engine& engine, const BenchmarkOptions& options, Random& random, Totals& totals) {
  const ModelSpec& spec = engine.model().spec();
  const std::vector<int> looped = spec.looped_groups();
  Decoding decoding(engine, options, random);
  const PassCount before = engine.count();
  const Stopwatch watch;
  Scheduler scheduler(engine, options.schedule, 1);
  for (std::size_t s = 0; s < decoding.sequences.size(); ++s) scheduler.submit(decoding.next(s, spec));
  while (!scheduler.idle()) {
    engine.stop().check();
    for (const Landed& landed : scheduler.step()) {
      for (const int group : looped) totals.loops += landed.depth.loops[static_cast<std::size_t>(group)];
      if (landed.sequence->length >= options.behind + options.tokens) continue;
      const auto s = static_cast<std::size_t>(landed.sequence - decoding.sequences.data());
      scheduler.submit(decoding.next(s, spec));
    }
  }
  const double seconds = watch.seconds();
  totals.count.passes += engine.count().passes - before.passes;
  totals.count.rows += engine.count().rows - before.rows;
  for (const Sequence& sequence : decoding.sequences) totals.kv_bytes += sequence.cache.bytes();
  return options.batch * options.tokens / seconds;
}

/// A prompt goes in by chunks while sequences decode.
void time_beside(Engine& engine, const BenchmarkOptions& options, Random& random, BesidePrompt& beside) {
  const ModelSpec& spec = engine.model().spec();
  Scheduler scheduler(engine, options.schedule, options.chunk);
  const std::vector<std::int32_t> prompt = random_tokens(random, options.prompt, spec);
  Sequence alone = start(engine, options, options.prompt);
  scheduler.submit({&alone, prompt});
  const Stopwatch alone_watch;
  double chunk = 0;
  while (!scheduler.idle()) {
    const int before = alone.length;
    const Stopwatch watch;
    while (!scheduler.idle() && alone.length == before) scheduler.step();
    chunk = std::max(chunk, watch.seconds());  // the last one attends to most
  }
  const double alone_seconds = alone_watch.seconds();

  Decoding decoding(engine, options, random);
  Sequence long_text = start(engine, options, options.prompt);
  std::vector<Stopwatch> since(decoding.sequences.size());
  for (std::size_t s = 0; s < since.size(); ++s) scheduler.submit(decoding.next(s, spec));
  scheduler.submit({&long_text, prompt});
  const Stopwatch watch;
  double wait = 0;
  while (long_text.length < options.prompt) {
    engine.stop().check();
    for (const Landed& landed : scheduler.step()) {
      if (landed.sequence == &long_text) continue;
      const auto s = static_cast<std::size_t>(landed.sequence - decoding.sequences.data());
      wait = std::max(wait, since[s].seconds());
      since[s] = Stopwatch();
      if (landed.sequence->length < options.behind + options.tokens) scheduler.submit(decoding.next(s, spec));
    }
  }
  beside.longest_wait.push_back(1000 * wait);
  beside.longest_chunk.push_back(1000 * chunk);
  beside.prompt.push_back(1000 * watch.seconds());
  beside.prompt_alone.push_back(1000 * alone_seconds);
}

}  // namespace

BenchmarkResult benchmark(Engine& engine, const BenchmarkOptions& options, const ProgressSink& progress) {
  Random random{options.seed};
  BenchmarkResult result;
  Totals totals;
  for (int round = 0; round <= options.rounds; ++round) {
    engine.stop().check();
    const bool counts = round > 0;
    if (options.prompt > 0) {
      const double speed = time_prompt(engine, options, random);
      if (counts) result.prompt.push_back(speed);
    }
    if (options.tokens > 0) {
      const double speed = time_generation(engine, options, random, totals);
      if (counts) result.generation.push_back(speed);
    }
    if (options.chunk > 0) {
      BesidePrompt beside;
      time_beside(engine, options, random, counts ? result.beside : beside);
    }
    progress(round + 1, options.rounds + 1);
  }
  const double decoded = static_cast<double>(options.rounds + 1) * options.batch * options.tokens;
  if (decoded == 0) return result;
  const double held = decoded * (options.tokens + options.behind) / options.tokens;
  result.loops_per_token = static_cast<double>(totals.loops) / decoded;
  result.passes_per_token = static_cast<double>(totals.count.passes) / decoded;
  result.rows_per_pass = static_cast<double>(totals.count.rows) / static_cast<double>(totals.count.passes);
  result.kv_bytes_per_token = static_cast<double>(totals.kv_bytes) / held;
  return result;
}

}  // namespace gyre
