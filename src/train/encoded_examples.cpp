#include "train/encoded_examples.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/at_place.hpp"
#include "base/error.hpp"
#include "text/end_tokens.hpp"

namespace gyre {
namespace {

std::string place_of(int line) { return line > 0 ? fmt::format("the data, line {}", line) : "the data"; }

/// Adds an example as the config wants those that are longer than a row.
void add(AnswerExample example, int line, const TrainConfig& config, EncodedPart& part) {
  const auto most = static_cast<std::size_t>(config.sequence);
  if (example.inputs.size() > most) {
    if (config.truncate == Truncation::refuse) {
      throw Error(
          "{}: an example has {} tokens; training.sequence allows {}; give longer rows, or set training.truncate to "
          "\"drop\" or \"cut\"",
          place_of(line), example.inputs.size() + 1, most + 1);
    }
    const auto learned = [](std::int32_t target) { return target >= 0; };
    const auto end = example.targets.begin() + static_cast<std::ptrdiff_t>(most);
    if (config.truncate == Truncation::drop || std::none_of(example.targets.begin(), end, learned)) {
      ++part.dropped;
      return;
    }
    ++part.cut;
    example.inputs.resize(most);
    example.targets.resize(most);
  }
  part.examples.push_back(std::move(example));
}

}  // namespace

AnswerExample encode_example(const Example& example, const Tokenizer& tokenizer, std::string_view end) {
  const auto encode = [&](const std::string& text) {
    return at_place(place_of(example.line), [&] { return tokenizer.encode(text); });
  };
  const std::vector<std::int32_t> prompt = encode(example.prompt);
  std::vector<std::int32_t> answer = encode(example.answer);
  if (prompt.empty() || answer.empty()) {
    throw Error("{}: the {} is no token to the vocabulary; leave the line out", place_of(example.line),
                prompt.empty() ? "prompt" : "answer");
  }
  if (!end.empty()) {
    const std::optional<std::int32_t> token = tokenizer.added_token(end);
    if (!token) throw Error("end_token: \"{}\" is no added token of the vocabulary; leave it out", end);
    answer.push_back(*token);
  }
  if (!example.labels.empty() && example.labels.size() != prompt.size()) {
    throw Error("{}: the {} labels \"{}\" do not fit the {} tokens of \"{}\"; give one character a token",
                place_of(example.line), example.labels.size(), example.labels, prompt.size(), example.prompt);
  }
  AnswerExample encoded{tokenizer.prefix_tokens(), {}};
  const std::size_t first = encoded.inputs.size();
  encoded.inputs.insert(encoded.inputs.end(), prompt.begin(), prompt.end());
  encoded.targets.assign(encoded.inputs.size(), -1);
  for (std::size_t i = 0; i < example.labels.size(); ++i) {
    if (example.labels[i] == ' ') continue;
    encoded.targets[first + i] = encode(example.labels.substr(i, 1)).at(0);
  }
  encoded.targets.back() = answer.front();
  encoded.inputs.insert(encoded.inputs.end(), answer.begin(), answer.end() - 1);
  encoded.targets.insert(encoded.targets.end(), answer.begin() + 1, answer.end());
  return encoded;
}

void require_end_token(const TrainConfig& config, const Tokenizer& tokenizer) {
  if (config.end_token.empty() || tokenizer.added_token(config.end_token)) return;
  throw Error("training.end_token: the vocabulary has no added token \"{}\"; name one that it has", config.end_token);
}

AnswerExample encode_example(const LearnedTokens& tokens) {
  AnswerExample encoded;
  for (std::size_t i = 0; i + 1 < tokens.ids.size(); ++i) {
    encoded.inputs.push_back(tokens.ids[i]);
    encoded.targets.push_back(tokens.learned[i + 1] ? tokens.ids[i + 1] : -1);
  }
  return encoded;
}

EncodedPart encode_part(std::span<const Example> examples, const Tokenizer& tokenizer, const TrainConfig& config) {
  require_end_token(config, tokenizer);
  EncodedPart part;
  part.examples.reserve(examples.size());
  for (const Example& example : examples) {
    add(encode_example(example, tokenizer, config.end_token), example.line, config, part);
  }
  return part;
}

EncodedPart encode_part(std::span<const ChatExample> examples, const Tokenizer& tokenizer, const ChatTemplate& chat,
                        const TrainConfig& config) {
  const std::optional<std::int32_t> end = end_token_of(chat, tokenizer);
  const std::string end_of_turn = end ? tokenizer.names()[static_cast<std::size_t>(*end)] : std::string();
  EncodedPart part;
  part.examples.reserve(examples.size());
  for (const ChatExample& example : examples) {
    const std::string where = place_of(example.line);
    const LearnedText text = render_learned(example, chat, config.turns, end_of_turn, where);
    const LearnedTokens tokens = at_place(where, [&] { return encode_learned(text, tokenizer); });
    if (std::find(tokens.learned.begin(), tokens.learned.end(), true) == tokens.learned.end()) {
      throw Error("{}: no token belongs to the assistant alone; give a longer answer", where);
    }
    part.straddling += tokens.straddling;
    add(encode_example(tokens), example.line, config, part);
  }
  return part;
}

}  // namespace gyre
