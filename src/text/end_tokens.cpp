#include "text/end_tokens.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "base/error.hpp"

namespace gyre {
namespace {

constexpr std::array<std::string_view, 31> kNames = {
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
    "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>",
    "<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~[",
    // Of code: what pads a gap, and what begins the next repository or file.
    "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<reponame>", "<REPO>",
    "<|file_sep|>"};

/// What the assistant says where the template is asked; it holds nothing that a template looks for or alters.
constexpr std::string_view kAnswer = "forty two";

}  // namespace

bool names_end_token(std::string_view name) { return std::find(kNames.begin(), kNames.end(), name) != kNames.end(); }

std::vector<std::int32_t> end_tokens_by_name(const Tokenizer& tokenizer) {
  const std::vector<std::string>& names = tokenizer.names();
  const auto has = [&](std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  std::vector<std::int32_t> tokens;
  for (std::size_t id = 0; id < names.size(); ++id) {
    const std::string& name = names[id];
    if (!names_end_token(name)) continue;
    // Where whole answers end with <|return|> or <|flush|>, <|end|> only parts their channels.
    const bool parts_channels = name == "<|end|>" && ((has("<|return|>") && (has("<|call|>") || has("<|calls|>"))) ||
                                                      (has("<|flush|>") && (has("<|call|>") || has("<|calls|>"))));
    const bool is_markup = name == "</s>" && has("<|tool_response>");
    if (!parts_channels && !is_markup) tokens.push_back(static_cast<std::int32_t>(id));
  }
  return tokens;
}

std::optional<std::int32_t> end_token_of(const ChatTemplate& chat, const Tokenizer& tokenizer) {
  std::string text;
  try {
    const std::array<ChatMessage, 2> messages = {
        {{"user", "What is six times seven?"}, {"assistant", std::string(kAnswer)}}};
    text = chat.render(messages, false);
  } catch (const Error&) {
    return std::nullopt;  // asked for nothing by the user, it may refuse
  }
  const std::size_t at = text.rfind(kAnswer);
  if (at == std::string::npos) return std::nullopt;
  std::string_view rest = std::string_view(text).substr(at + kAnswer.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(" \n"), rest.size()));
  std::optional<std::int32_t> longest;
  std::size_t size = 0;
  for (const AddedToken& token : tokenizer.added_tokens()) {
    if (token.content.size() <= size || !rest.starts_with(token.content)) continue;
    longest = token.id;
    size = token.content.size();
  }
  return longest;
}

}  // namespace gyre
