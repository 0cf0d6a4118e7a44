#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "engine/exits.hpp"
#include "engine/sampler.hpp"
#include "text/tokenizer.hpp"

namespace gyre {

/// How completions are drawn.
struct RolloutOptions {
  int completions = 8;                  ///< of each prompt
  int tokens = 256;                     ///< most of one completion, the token that ends it among them
  SamplingOptions sampling;             ///< its seed is that of all: each completion draws from a stream of its own
  std::vector<int> loops;               ///< per group
  std::optional<ExitChoice> exit = {};  ///< of every token but those of the prompt before its last; nothing: full depth
  KvPolicy kv = {};
  std::vector<std::int32_t> end_tokens = {};
  std::vector<std::size_t> numbers = {};  ///< of the prompts, by which their completions are drawn; empty: 0, 1, ...
};

/// One drawn completion.
struct Completion {
  std::size_t prompt = 0;            ///< which it belongs to
  std::vector<std::int32_t> tokens;  ///< the end token among them, where one was drawn
  std::vector<float> log_p;          ///< of each, by the model itself: before temperature and filters
  bool truncated = false;            ///< the most tokens came before an end
  double loops = 0;                  ///< run in looped groups, all tokens together
};

/// What drawing took.
struct RolloutCount {
  std::int64_t prompt_tokens = 0;
  std::int64_t tokens = 0;
  double seconds = 0;
};

/// Draws the completions of all prompts in one batch: a prompt goes in once and its completions share it, a row that
/// ends takes no further part. Completion j of prompt number i is draw (seed, i, j), whatever else is in the batch.
/// Throws Error naming a prompt that is empty, or too long for the context with `tokens` behind it.
std::vector<Completion> draw_completions(Engine& engine, std::span<const std::vector<std::int32_t>> prompts,
                                         const RolloutOptions& options, RolloutCount& count,
                                         const std::function<void(std::int64_t done)>& progress = {});

}  // namespace gyre
