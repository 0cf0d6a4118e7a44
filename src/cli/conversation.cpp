#include "cli/conversation.hpp"

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "base/file.hpp"

namespace gyre::cli {
namespace {

using Json = nlohmann::ordered_json;

void require_messages(const Json& messages, const std::string& where) {
  if (!messages.is_array()) throw Error("{}: the messages must be a list, found {}", where, messages.type_name());
  if (messages.empty()) throw Error("{}: the conversation is empty; give at least one message", where);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Json& message = messages[i];
    if (!message.is_object()) throw Error("{}: message {} must be an object, found {}", where, i, message.type_name());
    if (!message.contains("role") || !message.at("role").is_string()) {
      throw Error("{}: message {} has no \"role\" that is text, such as \"user\"", where, i);
    }
  }
}

/// A list of messages, or an object that holds it with tools and documents.
void read_messages(const std::string& file, Conversation& conversation) {
  const std::string where = "--messages " + file;
  Json json = parse_ordered_json(read_text(file), where);
  if (!json.is_object()) {
    require_messages(json, where);
    conversation.messages = std::move(json);
    return;
  }
  for (const auto& [key, value] : json.items()) {
    const bool list = value.is_array() || (value.is_null() && key != "messages");
    if (key != "messages" && key != "tools" && key != "documents") {
      throw Error("{}: unknown key \"{}\"; the keys are messages, tools, documents", where, key);
    }
    if (!list) throw Error("{}: {} must be a list, found {}", where, key, value.type_name());
  }
  if (!json.contains("messages")) throw Error("{}: the key \"messages\" is missing", where);
  require_messages(json.at("messages"), where);
  conversation.messages = json.at("messages");
  if (json.contains("tools")) conversation.tools = json.at("tools");
  if (json.contains("documents")) conversation.documents = json.at("documents");
}

/// KEY=JSON as a variable of the template.
void add_argument(const std::string& text, Json& arguments) {
  constexpr std::array<std::string_view, 4> kOwn = {"messages", "tools", "documents", "add_generation_prompt"};
  const std::size_t sign = text.find('=');
  if (sign == std::string::npos || sign == 0) {
    throw Error("--template-arg: \"{}\" is not KEY=JSON; give it like enable_thinking=false", text);
  }
  const std::string key = text.substr(0, sign);
  if (std::find(kOwn.begin(), kOwn.end(), key) != kOwn.end()) {
    throw Error("--template-arg: {} is set by the conversation; use --messages", key);
  }
  if (arguments.contains(key)) throw Error("--template-arg: {} is given twice", key);
  const std::string value = text.substr(sign + 1);
  if (!Json::accept(value)) {
    throw Error("--template-arg: {} is {}, which is not JSON; texts need quotes: {}='\"text\"'", key, value, key);
  }
  arguments[key] = parse_ordered_json(value, "--template-arg " + key);
}

}  // namespace

Conversation conversation_of(const ConversationFlags& flags) {
  Conversation conversation;
  if (!flags.messages_file.empty()) {
    read_messages(flags.messages_file, conversation);
  } else {
    if (!flags.system.empty()) conversation.messages.push_back({{"role", "system"}, {"content", flags.system}});
    conversation.messages.push_back({{"role", "user"}, {"content", flags.prompt}});
  }
  for (const std::string& argument : flags.template_arguments) add_argument(argument, conversation.arguments);
  return conversation;
}

}  // namespace gyre::cli
