#include "cli/conversation.hpp"

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "base/file.hpp"
#include "text/conversation.hpp"

namespace gyre::cli {
namespace {

using Json = nlohmann::ordered_json;

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
    const std::string where = "--messages " + flags.messages_file;
    conversation = read_conversation(parse_ordered_json(read_text(flags.messages_file), where), where);
  } else {
    if (!flags.system.empty()) conversation.messages.push_back({{"role", "system"}, {"content", flags.system}});
    conversation.messages.push_back({{"role", "user"}, {"content", flags.prompt}});
  }
  for (const std::string& argument : flags.template_arguments) add_argument(argument, conversation.arguments);
  return conversation;
}

}  // namespace gyre::cli
