#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "study/evaluation.hpp"

namespace gyre {

/// Tokens that share a context: each one's target is the token behind it.
struct Window {
  std::span<const std::int32_t> inputs;
  std::span<const std::int32_t> targets;
};

/// Cuts a text into windows of options.window tokens, the last one maybe shorter. Throws Error when nothing is left to
/// score, or when a token is outside the vocabulary.
std::vector<Window> cut_windows(std::span<const std::int32_t> tokens, const ModelSpec& spec,
                                const EvaluationOptions& options);

}  // namespace gyre
