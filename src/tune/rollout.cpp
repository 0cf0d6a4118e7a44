#include "tune/rollout.hpp"

#include <algorithm>
#include <chrono>

#include "base/error.hpp"
#include "base/random.hpp"

namespace gyre {
namespace {

/// One completion on its way.
struct Row {
  Completion completion;
  Sequence sequence;
  Sampler sampler;
  std::optional<BoundedExit> exit;
  std::int32_t last;  ///< token that goes in next
};

void require_room(std::span<const std::vector<std::int32_t>> prompts, int tokens, const ModelSpec& spec) {
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (prompts[i].empty()) throw Error("prompt {}: it has no tokens; give it some text", i);
    const std::size_t needed = prompts[i].size() + static_cast<std::size_t>(tokens);
    if (needed <= static_cast<std::size_t>(spec.context)) continue;
    throw Error("prompt {}: {} tokens and {} behind them are more than the context of {}; shorten it or draw fewer", i,
                prompts[i].size(), tokens, spec.context);
  }
}

std::vector<Row> start_rows(Engine& engine, std::span<const std::vector<std::int32_t>> prompts,
                            const RolloutOptions& options, RolloutCount& count) {
  const ModelSpec& spec = engine.model().spec();
  std::vector<Row> rows;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const std::span<const std::int32_t> prompt = prompts[i];
    const std::uint64_t seed = combine_seeds(options.sampling.seed, options.numbers.empty() ? i : options.numbers[i]);
    const int room = static_cast<int>(prompt.size()) + options.tokens;
    Sequence begun = engine.start(options.loops, room, options.kv, seed);
    if (prompt.size() > 1) engine.prefill(begun, prompt.first(prompt.size() - 1), Engine::Logits::none);
    count.prompt_tokens += static_cast<std::int64_t>(prompt.size());
    for (int j = 0; j < options.completions; ++j) {
      SamplingOptions sampling = options.sampling;
      sampling.seed = combine_seeds(seed, static_cast<std::uint64_t>(j));
      Row row{{i, {}, {}, false, 0}, begun.fork(), Sampler(sampling), {}, prompt.back()};
      if (options.exit) row.exit.emplace(*options.exit, ExitContext{spec, options.loops, {}}, sampling.seed);
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

/// The next token of every row that goes on. Returns how many go on after it.
std::size_t step(Engine& engine, std::vector<Row*>& going, const RolloutOptions& options) {
  const ModelSpec& spec = engine.model().spec();
  const std::vector<int> looped = spec.looped_groups();
  const auto vocabulary = static_cast<std::size_t>(spec.vocab_size);
  std::vector<DecodeRow> batch;
  for (Row* const row : going) batch.push_back({&row->sequence, row->last, row->exit ? &*row->exit : nullptr});
  const std::span<const float> logits = engine.decode(batch);
  std::vector<Row*> still;
  for (std::size_t i = 0; i < going.size(); ++i) {
    Row& row = *going[i];
    const std::span<const float> own = logits.subspan(i * vocabulary, vocabulary);
    Completion& completion = row.completion;
    const std::int32_t token = row.sampler.draw(own, completion.tokens);
    completion.tokens.push_back(token);
    completion.log_p.push_back(probabilities_of(own, token, 0).front().log_probability);
    for (const int group : looped) completion.loops += batch[i].depth.loops[static_cast<std::size_t>(group)];
    row.last = token;
    const bool ended =
        std::find(options.end_tokens.begin(), options.end_tokens.end(), token) != options.end_tokens.end();
    completion.truncated = !ended && completion.tokens.size() == static_cast<std::size_t>(options.tokens);
    if (!ended && !completion.truncated) still.push_back(&row);
  }
  going = std::move(still);
  return going.size();
}

}  // namespace

std::vector<Completion> draw_completions(Engine& engine, std::span<const std::vector<std::int32_t>> prompts,
                                         const RolloutOptions& options, RolloutCount& count,
                                         const std::function<void(std::int64_t done)>& progress) {
  require_room(prompts, options.tokens, engine.model().spec());
  const auto began = std::chrono::steady_clock::now();
  std::vector<Row> rows = start_rows(engine, prompts, options, count);
  std::vector<Row*> going;
  for (Row& row : rows) going.push_back(&row);
  while (!going.empty()) {
    engine.stop().check();
    count.tokens += static_cast<std::int64_t>(going.size());
    step(engine, going, options);
    if (progress) progress(count.tokens);
  }
  count.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  std::vector<Completion> completions;
  for (Row& row : rows) completions.push_back(std::move(row.completion));
  return completions;
}

}  // namespace gyre
