#include "text/chat_template.hpp"

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/json_object.hpp"
#include "text/jinja/json_text.hpp"
#include "text/utf8.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

/// A token in tokenizer_config.json: text, or an object that holds it. Empty when there is none.
std::string token_text(const nlohmann::json& token, const std::string& where, std::string_view key) {
  if (token.is_null()) return {};
  if (token.is_object()) return JsonObject(token, where + ": " + std::string(key)).text("content");
  if (!token.is_string()) throw Error("{}: {} must be text, found {}", where, key, token.type_name());
  return token.get<std::string>();
}

/// The special tokens of a tokenizer_config.json, as transformers hands them to templates.
ChatTemplate::Tokens tokens_of(const nlohmann::json& config, const std::string& where) {
  constexpr std::array<const char*, 7> kNames = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                 "pad_token", "cls_token", "mask_token"};
  ChatTemplate::Tokens tokens;
  const auto add = [&](const std::string& name, const nlohmann::json& token) {
    if (std::string text = token_text(token, where, name); !text.empty()) tokens.emplace_back(name, std::move(text));
  };
  for (const char* name : kNames) {
    if (config.contains(name)) add(name, config.at(name));
  }
  if (const auto more = config.find("additional_special_tokens"); more != config.end() && more->is_array()) {
    OrderedJson texts = OrderedJson::array();
    for (const nlohmann::json& token : *more) texts.push_back(token_text(token, where, "additional_special_tokens"));
    if (!texts.empty()) tokens.emplace_back("additional_special_tokens", std::move(texts));
  }
  if (const auto more = config.find("extra_special_tokens"); more != config.end() && more->is_object()) {
    for (const auto& [name, token] : more->items()) add(name, token);
  }
  return tokens;
}

/// tokenizer_config.json. Where it does not list its added tokens, special_tokens_map.json has the last word on them.
nlohmann::json load_tokenizer_config(const fs::path& folder) {
  const fs::path file = folder / "tokenizer_config.json";
  if (!fs::exists(file)) return nlohmann::json::object();
  nlohmann::json config = load_json(file);
  static_cast<void>(JsonObject(config, file.string()));
  const fs::path map_file = folder / "special_tokens_map.json";
  if (config.contains("added_tokens_decoder") || !fs::exists(map_file)) return config;
  const nlohmann::json map = load_json(map_file);
  static_cast<void>(JsonObject(map, map_file.string()));
  config.update(map);
  return config;
}

struct Source {
  std::string text;
  std::string where;
};

/// The template of that name in a list of named ones.
std::optional<Source> named_template(const nlohmann::json& list, const std::string& where, std::string_view name) {
  for (const nlohmann::json& entry : list) {
    const JsonObject named(entry, where);
    if (named.text("name") == name) return Source{named.text("template"), fmt::format("{}: {}", where, name)};
  }
  return std::nullopt;
}

/// The template in `chat_template` of a JSON file: text, or a list of named ones.
std::optional<Source> template_in(const nlohmann::json& config, const fs::path& file, std::string_view name) {
  const auto found = config.find("chat_template");
  if (found == config.end() || found->is_null()) return std::nullopt;
  const std::string where = file.string() + ": chat_template";
  if (found->is_array()) return named_template(*found, where, name);
  if (!found->is_string()) throw Error("{} must be text or a list of named texts, found {}", where, found->type_name());
  return name == "default" ? std::optional(Source{found->get<std::string>(), where}) : std::nullopt;
}

/// The template of that name, from the first of the files that holds one.
std::optional<Source> find_template(const fs::path& folder, const nlohmann::json& config, std::string_view name) {
  const fs::path own = name == "default" ? folder / "chat_template.jinja"
                                         : folder / "additional_chat_templates" / (std::string(name) + ".jinja");
  if (fs::exists(own)) return Source{read_text(own), own.string()};
  if (auto found = template_in(config, folder / "tokenizer_config.json", name)) return found;
  const fs::path json_file = folder / "chat_template.json";
  if (!fs::exists(json_file)) return std::nullopt;
  const nlohmann::json json = load_json(json_file);
  static_cast<void>(JsonObject(json, json_file.string()));
  return template_in(json, json_file, name);
}

std::string no_template(const fs::path& folder, const nlohmann::json& config) {
  const auto found = config.find("chat_template");
  if (found != config.end() && found->is_array()) {
    return fmt::format("{}: chat_template has no entry with the name \"default\"; add one",
                       (folder / "tokenizer_config.json").string());
  }
  return fmt::format(
      "{}: no chat template (chat_template.jinja, or chat_template in tokenizer_config.json); give a "
      "plain prompt",
      folder.string());
}

/// Texts as JSON, checked here, so that the message names the message.
OrderedJson messages_json(std::span<const ChatMessage> messages) {
  OrderedJson list = OrderedJson::array();
  for (const ChatMessage& message : messages) {
    require_utf8(message.role, "message");
    require_utf8(message.content, "message");
    list.push_back({{"role", message.role}, {"content", message.content}});
  }
  return list;
}

ChatTemplate::Tokens two_tokens(const std::string& bos, const std::string& eos) {
  ChatTemplate::Tokens tokens;
  if (!bos.empty()) tokens.emplace_back("bos_token", bos);
  if (!eos.empty()) tokens.emplace_back("eos_token", eos);
  return tokens;
}

}  // namespace

ChatTemplate::ChatTemplate(std::string_view source, Tokens tokens, const std::string& where)
    : program_(source, where), tokens_(std::move(tokens)), source_(source), where_(where) {}

ChatTemplate::ChatTemplate(std::string_view source, const std::string& bos, const std::string& eos,
                           const std::string& where)
    : ChatTemplate(source, two_tokens(bos, eos), where) {}

ChatTemplate ChatTemplate::load(const fs::path& folder) {
  const nlohmann::json config = load_tokenizer_config(folder);
  const std::optional<Source> plain = find_template(folder, config, "default");
  if (!plain) throw Error("{}", no_template(folder, config));
  ChatTemplate made(plain->text, tokens_of(config, (folder / "tokenizer_config.json").string()), plain->where);
  if (const auto tools = find_template(folder, config, "tool_use")) made.set_tool_template(tools->text, tools->where);
  return made;
}

void ChatTemplate::set_tool_template(std::string_view source, const std::string& where) {
  tool_program_.emplace(source, where);
}

std::string ChatTemplate::render(const Conversation& conversation) const {
  jinja::Dict variables;
  const auto set = [&](const std::string& name, const OrderedJson& value) {
    try {
      variables.set(jinja::Value::text(name), jinja::value_of(value));
    } catch (const jinja::Failure& failure) {
      throw Error("{}: {}: {}", where_, name, failure.what());
    }
  };
  for (const auto& [name, token] : tokens_) set(name, token);
  for (const auto& [name, value] : conversation.arguments.items()) set(name, value);
  set("messages", conversation.messages);
  set("tools", conversation.tools);
  set("documents", conversation.documents);
  set("add_generation_prompt", conversation.add_generation_prompt);
  const bool with_tools = tool_program_ && !conversation.tools.is_null();
  return (with_tools ? *tool_program_ : program_).render(variables, conversation.clock);
}

std::string ChatTemplate::render(std::span<const ChatMessage> messages, bool add_generation_prompt) const {
  if (messages.empty()) throw Error("message: the conversation is empty; give at least one");
  Conversation conversation;
  conversation.messages = messages_json(messages);
  conversation.add_generation_prompt = add_generation_prompt;
  return render(conversation);
}

nlohmann::ordered_json parse_ordered_json(std::string_view text, const std::string& where) {
  static_cast<void>(parse_json(text, where));  // for its messages, and its limit on nesting
  return OrderedJson::parse(text);
}

}  // namespace gyre
