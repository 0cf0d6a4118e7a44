#include "serve/tool_form.hpp"

#include <string_view>

#include "base/error.hpp"
#include "serve/api_error.hpp"

namespace gyre::serve {
namespace {

constexpr std::string_view kFunction = "probe_of_a_function";
constexpr std::string_view kSystem = "probe of a system message";

Json probe_tools() {
  const Json parameters = {{"type", "object"},
                           {"properties", {{"key", {{"type", "integer"}, {"description", "a number"}}}}},
                           {"required", Json::array({"key"})}};
  return Json::array(
      {Json{{"type", "function"},
            {"function", {{"name", kFunction}, {"description", "a probe"}, {"parameters", parameters}}}}});
}

Json call_message(const Json& arguments) {
  return {{"role", "assistant"},
          {"content", ""},
          {"tool_calls", Json::array({Json{{"id", "probe0123"},
                                           {"type", "function"},
                                           {"function", {{"name", kFunction}, {"arguments", arguments}}}}})}};
}

/// What the template makes of it, or nothing when it refuses.
std::optional<std::string> rendered(const ChatTemplate& chat, Json messages, Json tools) {
  Conversation conversation;
  conversation.messages = std::move(messages);
  conversation.tools = std::move(tools);
  try {
    return chat.render(conversation);
  } catch (const Error&) {
    return std::nullopt;
  }
}

Json user_message() { return {{"role", "user"}, {"content", "probe"}}; }

/// `text` without white space at one of its ends.
std::string_view without_space(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \n\t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \n\t\r") - first + 1);
}

/// The form of a call as it stands in a history.
std::optional<ToolForm> form_in(std::string_view text) {
  for (const char* key : {"arguments", "parameters"}) {
    const std::string call = fmt::format(R"({{"name": "{}", "{}": {{"key": 7}}}})", kFunction, key);
    const std::size_t at = text.find(call);
    if (at == std::string_view::npos) continue;
    const std::string_view before = without_space(text.substr(0, at));
    const std::string_view behind = without_space(text.substr(at + call.size()));
    ToolForm form;
    form.arguments = key;
    if (before.ends_with(form.open) && behind.starts_with(form.close)) return form;
    form.open.clear();
    form.close.clear();
    if (form.arguments == "parameters" && !before.ends_with('[')) return form;  // Llama's
  }
  return std::nullopt;
}

std::string listed(const Json& tools) {
  std::string text;
  for (const Json& tool : tools) text += tool.dump() + "\n";
  return text;
}

/// The words of Hermes, which many small models have seen.
std::string told(const Json& tools) {
  return fmt::format(
      "You may call one or more functions to assist with the user query.\n\nYou are provided with function signatures "
      "within <tools></tools> XML tags:\n<tools>\n{}</tools>\n\nFor each function call, return a json object with "
      "function name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{{\"name\": <function-name>, "
      "\"arguments\": <args-json-object>}}\n</tool_call>",
      listed(tools));
}

/// A call and a result as words.
Json without_calls(Json message, const ToolForm& form) {
  std::string text = message.value("content", std::string());
  if (message.contains("tool_calls")) {
    for (const Json& call : message.at("tool_calls")) {
      const Json& function = call.at("function");
      const Json written = {{"name", function.at("name")}, {"arguments", function.at("arguments")}};
      text += fmt::format("{}{}\n{}\n{}", text.empty() ? "" : "\n", form.open, written.dump(), form.close);
    }
    message.erase("tool_calls");
  }
  if (message.at("role") == "tool") {
    message = {{"role", "user"}};
    text = fmt::format("<tool_response>\n{}\n</tool_response>", text);
  }
  message["content"] = text;
  return message;
}

void write_arguments(Json& message) {
  if (!message.contains("tool_calls")) return;
  for (Json& call : message.at("tool_calls")) {
    Json& arguments = call.at("function").at("arguments");
    arguments = arguments.dump();
  }
}

}  // namespace

std::optional<ToolForm> tool_form_of(const ChatTemplate& chat) {
  const std::optional<std::string> with_tools = rendered(chat, Json::array({user_message()}), probe_tools());
  if (!with_tools) return std::nullopt;
  if (with_tools->find(kFunction) == std::string::npos) {
    const Json system = {{"role", "system"}, {"content", kSystem}};
    const std::optional<std::string> shown = rendered(chat, Json::array({system, user_message()}), nullptr);
    ToolForm form;
    form.in_template = false;
    form.takes_system = shown && shown->find(kSystem) != std::string::npos;
    return form;
  }
  for (const Json& arguments : {Json{{"key", 7}}, Json(R"({"key": 7})")}) {
    const std::optional<std::string> history =
        rendered(chat, Json::array({user_message(), call_message(arguments)}), probe_tools());
    std::optional<ToolForm> form = history ? form_in(*history) : std::nullopt;
    if (form) {
      form->text_arguments = arguments.is_string();
      return form;
    }
  }
  return std::nullopt;
}

void write_tools(Conversation& conversation, const ToolForm& form) {
  if (form.in_template) {
    for (Json& message : conversation.messages) {
      if (form.text_arguments) write_arguments(message);
    }
    return;
  }
  for (Json& message : conversation.messages) message = without_calls(message, form);
  if (conversation.tools.is_null()) return;
  const std::string words = told(conversation.tools);
  conversation.tools = nullptr;
  Json& first = conversation.messages.front();
  if (form.takes_system && first.at("role") != "system") {
    conversation.messages.insert(conversation.messages.begin(), Json{{"role", "system"}, {"content", words}});
    return;
  }
  const auto said = first.at("content").get<std::string>();
  first["content"] = form.takes_system ? fmt::format("{}\n\n{}", said, words) : fmt::format("{}\n\n{}", words, said);
}

}  // namespace gyre::serve
