#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "text/chat_examples.hpp"
#include "text/examples.hpp"
#include "text/tokenizer.hpp"
#include "train/config.hpp"

namespace gyre {

/// One example as it is trained on.
struct AnswerExample {
  std::vector<std::int32_t> inputs;
  std::vector<std::int32_t> targets;  ///< one an input; -1: no loss
};

/// The prompt with the answer as its targets, and whatever the example's labels ask for on the way. Both are encoded
/// apart, as a prompt is when a model answers it, behind the tokens that begin every text of the model. `end` is an
/// added token that ends the answer; empty: none. Throws Error when the labels do not fit the prompt.
AnswerExample encode_example(const Example& example, const Tokenizer& tokenizer, std::string_view end = {});

/// A text of which stretches are learned: each learned token is the target of the one before.
AnswerExample encode_example(const LearnedTokens& tokens);

/// Throws Error when training.end_token is no added token of the vocabulary.
void require_end_token(const TrainConfig& config, const Tokenizer& tokenizer);

/// The examples of one part of the data.
struct EncodedPart {
  std::vector<AnswerExample> examples;
  std::size_t cut = 0;         ///< that lost their ends
  std::size_t dropped = 0;     ///< that were left out: too long, or cut before anything that carries loss
  std::size_t straddling = 0;  ///< LearnedTokens::straddling of all
};

/// Throws Error naming the line of an example that is too long for a row, when the config refuses those.
EncodedPart encode_part(std::span<const Example> examples, const Tokenizer& tokenizer, const TrainConfig& config);
/// Throws Error naming the line of a conversation that the template refuses, or whose turns cannot be told.
EncodedPart encode_part(std::span<const ChatExample> examples, const Tokenizer& tokenizer, const ChatTemplate& chat,
                        const TrainConfig& config);

}  // namespace gyre
