#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/program.hpp"

namespace gyre {

struct ChatMessage {
  std::string role;  ///< "system", "user", "assistant" or another that the template knows
  std::string content;
};

/// What a chat template is given, in the order in which files hold it.
struct Conversation {
  nlohmann::ordered_json messages = nlohmann::ordered_json::array();
  nlohmann::ordered_json tools = nullptr;      ///< a list of JSON schemas of functions, or null
  nlohmann::ordered_json documents = nullptr;  ///< a list, or null
  bool add_generation_prompt = true;           ///< the text ends where the assistant goes on
  /// Further variables by their names, such as enable_thinking.
  nlohmann::ordered_json arguments = nlohmann::ordered_json::object();
  std::optional<std::int64_t> clock;  ///< seconds since 1970 that strftime_now shows; now when empty
};

/// How a model wants a conversation written: a program in Jinja that came with it, run as transformers runs it.
class ChatTemplate {
 public:
  /// Texts of special tokens by the names of their variables: bos_token, eos_token, pad_token, ... One that is missing
  /// is undefined to the template.
  using Tokens = std::vector<std::pair<std::string, nlohmann::ordered_json>>;

  /// `source` is the Jinja text. Throws Error with `where`, the line and the mistake.
  ChatTemplate(std::string_view source, Tokens tokens, const std::string& where);
  /// With an empty text there is no such token.
  ChatTemplate(std::string_view source, const std::string& bos, const std::string& eos, const std::string& where);
  /// Reads the template of a model folder: chat_template.jinja, or else chat_template in tokenizer_config.json, or else
  /// in chat_template.json; and the special tokens of tokenizer_config.json. Throws Error when there is none.
  static ChatTemplate load(const std::filesystem::path& folder);

  /// Another template for conversations that have tools.
  void set_tool_template(std::string_view source, const std::string& where);

  /// The Jinja text, as it came.
  [[nodiscard]] const std::string& source() const { return source_; }

  /// The text of a conversation; it holds the texts of special tokens. Throws Error with what the template says about
  /// a conversation that it refuses, or with the line of it that failed.
  [[nodiscard]] std::string render(const Conversation& conversation) const;
  [[nodiscard]] std::string render(std::span<const ChatMessage> messages, bool add_generation_prompt) const;

 private:
  jinja::Program program_;
  std::optional<jinja::Program> tool_program_;
  Tokens tokens_;
  std::string source_;
  std::string where_;
};

/// Parses JSON with the order of its keys kept. Throws Error with `where`.
nlohmann::ordered_json parse_ordered_json(std::string_view text, const std::string& where);

}  // namespace gyre
