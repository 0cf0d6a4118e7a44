#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "engine/sampler.hpp"
#include "serve/served_model.hpp"

namespace gyre::serve {

/// Characters of UTF-8.
std::size_t count_characters(std::string_view text);

/// Of one token as /v1/completions shows it: {"tokens": [text], "token_logprobs": [number or null], "top_logprobs":
/// [{text: number} or null], "text_offset": [offset]}. `probabilities` are its own and those of the likeliest; none of
/// the first token of a text. All numbers of one token print alike, and of two tokens with the same text the likelier
/// is shown. Bytes that are no text show as "bytes:\xe2\x82".
Json completion_logprobs(const ServedModel& model, std::int32_t token, std::size_t offset,
                         std::span<const TokenProbability> probabilities);

/// Of one token as /v1/chat/completions shows it: {"content": [{"token", "logprob", "bytes", "top_logprobs"}],
/// "refusal": null}.
Json chat_logprobs(const ServedModel& model, std::span<const TokenProbability> probabilities);

/// Appends the lists of `more` to those of `all`, of either kind; `all` may be null.
void append_logprobs(Json& all, const Json& more);

}  // namespace gyre::serve
