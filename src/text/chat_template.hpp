#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace gyre {

struct ChatMessage {
  std::string role;  ///< "system", "user" or "assistant"
  std::string content;
};

/// How a model wants a conversation written. Published templates are programs in Jinja; gyre knows those of the common
/// families by what they contain and writes their text itself.
class ChatTemplate {
 public:
  /// `source` is the Jinja text; `bos` and `eos` are the texts of those tokens where it names them. Throws Error with
  /// `where` and the supported families when it is of none of them.
  ChatTemplate(std::string_view source, std::string bos, std::string eos, const std::string& where);
  /// Reads chat_template.jinja, or chat_template in tokenizer_config.json, of a model folder.
  static ChatTemplate load(const std::filesystem::path& folder);

  /// The text of a conversation; with `add_generation_prompt` it ends where the assistant goes on. It holds the texts
  /// of special tokens, that of `bos` too where the family has it. Throws Error on a role the family does not have.
  [[nodiscard]] std::string render(std::span<const ChatMessage> messages, bool add_generation_prompt) const;
  /// The family: chatml, qwen3, llama-3, llama-3.1, llama-2, zephyr, olmo-2 or huginn.
  [[nodiscard]] std::string_view family() const;

 private:
  enum class Family { chatml, qwen3, llama3, llama31, llama2, zephyr, olmo2, huginn };

  [[nodiscard]] std::string render_chatml(std::span<const ChatMessage> messages) const;
  [[nodiscard]] static std::string render_qwen3(std::span<const ChatMessage> messages);
  [[nodiscard]] std::string render_llama3(std::span<const ChatMessage> messages) const;
  [[nodiscard]] std::string render_llama2(std::span<const ChatMessage> messages) const;
  [[nodiscard]] std::string render_zephyr(std::span<const ChatMessage> messages) const;
  [[nodiscard]] std::string render_olmo2(std::span<const ChatMessage> messages) const;
  [[nodiscard]] std::string render_huginn(std::span<const ChatMessage> messages) const;
  [[nodiscard]] std::string generation_prompt() const;

  Family family_;
  std::string bos_;
  std::string eos_;
  std::string default_system_;  // ChatML: what the system says when the conversation does not
  bool starts_thinking_ = false;
};

}  // namespace gyre
