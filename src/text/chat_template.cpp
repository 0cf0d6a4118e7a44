#include "text/chat_template.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/json_object.hpp"
#include "text/unicode.hpp"
#include "text/utf8.hpp"

namespace gyre {
namespace {

/// What Jinja's trim and Python's strip take away at both ends.
std::string trim(std::string_view text) {
  const auto is_space = [](char32_t c) { return is_white_space(c) || (c >= 0x1C && c <= 0x1F); };
  std::size_t first = text.size();
  std::size_t last = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = read_utf8(text.substr(at));
    if (!is_space(step.code_point)) {
      first = std::min(first, at);
      last = at + step.length;
    }
    at += step.length;
  }
  return last <= first ? std::string() : std::string(text.substr(first, last - first));
}

std::string trim_lines(std::string_view text, bool left, bool right) {
  while (left && text.starts_with('\n')) text.remove_prefix(1);
  while (right && text.ends_with('\n')) text.remove_suffix(1);
  return std::string(text);
}

/// The text that a ChatML template says for the system by itself: the first that is spelled out in it.
std::string default_system_of(std::string_view source) {
  constexpr std::string_view kStart = "<|im_start|>system";
  for (std::size_t at = source.find(kStart); at != std::string_view::npos; at = source.find(kStart, at + 1)) {
    std::string_view rest = source.substr(at + kStart.size());
    // A line break is spelled \n inside a Jinja literal, unless the file has a real one.
    if (rest.starts_with('\n')) {
      rest.remove_prefix(1);
    } else if (rest.starts_with("\\n")) {
      rest.remove_prefix(2);
    } else {
      continue;
    }
    const std::string_view said = rest.substr(0, rest.find("<|im_end|>"));
    if (said.size() < rest.size() && !said.empty() && said.find_first_of("'\"{}\\") == std::string_view::npos) {
      return std::string(said);
    }
  }
  return {};
}

std::string chatml(std::string_view role, std::string_view content) {
  return fmt::format("<|im_start|>{}\n{}<|im_end|>\n", role, content);
}

[[noreturn]] void throw_role(const ChatMessage& message, std::string_view family) {
  throw Error("message: the role \"{}\" does not fit the chat template {}; use system first, then user and assistant",
              message.role, family);
}

/// A token in tokenizer_config.json: text, or an object that holds it.
std::string token_text(const nlohmann::json& config, const std::string& where, std::string_view key) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return {};
  if (found->is_object()) return JsonObject(*found, where + ": " + std::string(key)).text("content");
  return JsonObject(config, where).text(key);
}

/// The template of a tokenizer_config.json: text, or a list of named ones of which "default" is for plain talk.
std::string template_text(const nlohmann::json& config, const std::string& where) {
  const auto found = config.find("chat_template");
  if (found == config.end() || !found->is_array()) return JsonObject(config, where).text("chat_template");
  for (const nlohmann::json& entry : *found) {
    const JsonObject named(entry, where + ": chat_template");
    if (named.text("name") == "default") return named.text("template");
  }
  throw Error("{}: chat_template has no entry with the name \"default\"; add one", where);
}

}  // namespace

ChatTemplate::ChatTemplate(std::string_view source, std::string bos, std::string eos, const std::string& where)
    : family_(Family::chatml), bos_(std::move(bos)), eos_(std::move(eos)) {
  const auto has = [&](std::string_view text) { return source.find(text) != std::string_view::npos; };
  if (!has("bos_token")) bos_.clear();
  if (has("<|im_start|>") && !has("<|im_sep|>") && !has("<end_of_utterance>")) {
    const bool thinks = has("reasoning_content") || has("enable_thinking");
    family_ = thinks ? Family::qwen3 : Family::chatml;
    default_system_ = thinks ? "" : default_system_of(source);
    starts_thinking_ = !thinks && (has("assistant\\n<think>\\n'") || has("assistant\n<think>\n'"));
  } else if (has("<|start_header_id|>")) {
    family_ = has("Cutting Knowledge Date") ? Family::llama31 : Family::llama3;
  } else if (has("<|begin_header|>")) {
    family_ = Family::huginn;
  } else if (has("[INST]") && has("<<SYS>>")) {
    family_ = Family::llama2;
  } else if (has("<|user|>") && has("<|assistant|>") && has("eos_token") && !has("<|end|>")) {
    // OLMo ends the assistant's words alone, and those of the last message without a line break.
    family_ = has("not loop.last") ? Family::olmo2 : Family::zephyr;
  } else {
    throw Error(
        "{}: this chat template is not known; those of ChatML (SmolLM2, Qwen, Ouro), Llama 2, Llama 3, Zephyr "
        "(TinyLlama), OLMo 2 and Huginn are: write the prompt yourself",
        where);
  }
}

ChatTemplate ChatTemplate::load(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "tokenizer_config.json";
  const std::filesystem::path jinja = folder / "chat_template.jinja";
  const nlohmann::json config = load_json(file);
  static_cast<void>(JsonObject(config, file.string()));
  const bool own_file = std::filesystem::exists(jinja);
  const std::string source = own_file ? read_text(jinja) : template_text(config, file.string());
  return {source, token_text(config, file.string(), "bos_token"), token_text(config, file.string(), "eos_token"),
          own_file ? jinja.string() : file.string() + ": chat_template"};
}

std::string_view ChatTemplate::family() const {
  constexpr std::array<std::string_view, 8> kNames = {"chatml",  "qwen3",  "llama-3", "llama-3.1",
                                                      "llama-2", "zephyr", "olmo-2",  "huginn"};
  return kNames.at(static_cast<std::size_t>(family_));
}

std::string ChatTemplate::render(std::span<const ChatMessage> messages, bool add_generation_prompt) const {
  if (messages.empty()) throw Error("message: the conversation is empty; give at least one");
  for (const ChatMessage& message : messages) {
    require_utf8(message.content, "message");
    const bool first = &message == messages.data();
    const bool known = message.role == "user" || message.role == "assistant" || message.role == "system";
    if (!known || (message.role == "system" && !first)) throw_role(message, family());
  }
  std::string text;
  switch (family_) {
    case Family::chatml:
      text = render_chatml(messages);
      break;
    case Family::qwen3:
      text = render_qwen3(messages);
      break;
    case Family::llama3:
    case Family::llama31:
      text = render_llama3(messages);
      break;
    case Family::llama2:
      text = render_llama2(messages);
      break;
    case Family::zephyr:
      text = render_zephyr(messages);
      break;
    case Family::olmo2:
      text = render_olmo2(messages);
      break;
    case Family::huginn:
      text = render_huginn(messages);
      break;
  }
  return add_generation_prompt ? text + generation_prompt() : text;
}

std::string ChatTemplate::generation_prompt() const {
  switch (family_) {
    case Family::chatml:
      return starts_thinking_ ? "<|im_start|>assistant\n<think>\n" : "<|im_start|>assistant\n";
    case Family::qwen3:
      return "<|im_start|>assistant\n";
    case Family::llama3:
    case Family::llama31:
      return "<|start_header_id|>assistant<|end_header_id|>\n\n";
    case Family::llama2:
      return "";
    case Family::zephyr:
    case Family::olmo2:
      return "<|assistant|>\n";
    case Family::huginn:
      return "<|begin_header|>Huginn<|end_header|>\n\n";
  }
  return "";
}

std::string ChatTemplate::render_chatml(std::span<const ChatMessage> messages) const {
  std::string text = bos_;
  if (messages.front().role != "system" && !default_system_.empty()) text += chatml("system", default_system_);
  for (const ChatMessage& message : messages) text += chatml(message.role, message.content);
  return text;
}

/// Thoughts are kept only in what the assistant said after the last question.
std::string ChatTemplate::render_qwen3(std::span<const ChatMessage> messages) {
  constexpr std::string_view kOpen = "<think>";
  constexpr std::string_view kClose = "</think>";
  std::size_t last_question = messages.size() - 1;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string& said = messages[i].content;
    const bool tool = said.starts_with("<tool_response>") && said.ends_with("</tool_response>");
    if (messages[i].role == "user" && !tool) last_question = i;
  }
  std::string text;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    std::string content = messages[i].content;
    std::string thoughts;
    const std::size_t first_close = content.find(kClose);
    if (messages[i].role == "assistant" && first_close != std::string::npos) {
      const std::string before = trim_lines(content.substr(0, first_close), false, true);
      const std::size_t open = before.rfind(kOpen);
      thoughts = trim_lines(open == std::string::npos ? before : before.substr(open + kOpen.size()), true, false);
      content = trim_lines(content.substr(content.rfind(kClose) + kClose.size()), true, false);
    }
    const bool latest = i + 1 == messages.size();
    if (messages[i].role == "assistant" && i > last_question && (latest || !thoughts.empty())) {
      content = fmt::format("<think>\n{}\n</think>\n\n{}", trim_lines(thoughts, true, true),
                            trim_lines(content, true, false));
    }
    text += chatml(messages[i].role, content);
  }
  return text;
}

std::string ChatTemplate::render_llama3(std::span<const ChatMessage> messages) const {
  const auto turn = [](std::string_view role, std::string_view content) {
    return fmt::format("<|start_header_id|>{}<|end_header_id|>\n\n{}<|eot_id|>", role, content);
  };
  std::string text = bos_;
  if (family_ == Family::llama31) {
    // The date is the one that the template falls back to, so that the same words always give the same text.
    const bool given = messages.front().role == "system";
    text += turn("system", "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n" +
                               (given ? trim(messages.front().content) : ""));
    if (given) messages = messages.subspan(1);
  }
  for (const ChatMessage& message : messages) text += turn(message.role, trim(message.content));
  return text;
}

std::string ChatTemplate::render_llama2(std::span<const ChatMessage> messages) const {
  std::string system;
  if (messages.front().role == "system") {
    system = fmt::format("<<SYS>>\n{}\n<</SYS>>\n\n", messages.front().content);
    messages = messages.subspan(1);
  }
  std::string text;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if ((messages[i].role == "user") != (i % 2 == 0)) throw_role(messages[i], family());
    if (i % 2 == 0) {
      text += fmt::format("{}[INST] {} [/INST]", bos_, trim((i == 0 ? system : "") + messages[i].content));
    } else {
      text += fmt::format(" {} {}", trim(messages[i].content), eos_);
    }
  }
  return text;
}

std::string ChatTemplate::render_zephyr(std::span<const ChatMessage> messages) const {
  std::string text = bos_;
  for (const ChatMessage& message : messages) {
    text += fmt::format("<|{}|>\n{}{}\n", message.role, message.content, eos_);
  }
  return text;
}

std::string ChatTemplate::render_olmo2(std::span<const ChatMessage> messages) const {
  std::string text = bos_;
  for (const ChatMessage& message : messages) {
    const bool answer = message.role == "assistant";
    const bool last = &message == &messages.back();
    text +=
        fmt::format("<|{}|>\n{}{}{}", message.role, message.content, answer ? eos_ : "", answer && last ? "" : "\n");
  }
  return text;
}

std::string ChatTemplate::render_huginn(std::span<const ChatMessage> messages) const {
  std::string text = bos_;
  for (const ChatMessage& message : messages) {
    const std::string_view role = message.role == "assistant" ? "Huginn" : std::string_view(message.role);
    text += fmt::format("<|begin_header|>{}<|end_header|>\n\n{}<|end_turn|>", role, trim(message.content));
  }
  return text;
}

}  // namespace gyre
