#include "text/conversation.hpp"

#include "base/error.hpp"

namespace gyre {
namespace {

using OrderedJson = nlohmann::ordered_json;

void require_messages(const OrderedJson& messages, const std::string& where) {
  if (!messages.is_array()) throw Error("{}: the messages must be a list, found {}", where, messages.type_name());
  if (messages.empty()) throw Error("{}: the conversation is empty; give at least one message", where);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const OrderedJson& message = messages[i];
    if (!message.is_object()) throw Error("{}: message {} must be an object, found {}", where, i, message.type_name());
    if (!message.contains("role") || !message.at("role").is_string()) {
      throw Error("{}: message {} has no \"role\" that is text, such as \"user\"", where, i);
    }
    const auto content = message.find("content");
    if (content == message.end() || content->is_string() || content->is_array() || content->is_null()) continue;
    throw Error("{}: message {}: content must be text or a list of parts, found {}", where, i, content->type_name());
  }
}

}  // namespace

Conversation read_conversation(OrderedJson json, const std::string& where) {
  Conversation conversation;
  if (!json.is_object()) {
    require_messages(json, where);
    conversation.messages = std::move(json);
    return conversation;
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
  return conversation;
}

}  // namespace gyre
