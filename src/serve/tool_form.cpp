#include "serve/tool_form.hpp"

#include <algorithm>
#include <cctype>
#include <span>
#include <string_view>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "serve/api_error.hpp"

namespace gyre::serve {
namespace {

constexpr std::string_view kFunction = "probe_of_a_function";
constexpr std::string_view kId = "probe0123";
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
          {"tool_calls",
           Json::array({Json{
               {"id", kId}, {"type", "function"}, {"function", {{"name", kFunction}, {"arguments", arguments}}}}})}};
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

bool names_tools(std::string_view tag) {
  std::string lower(tag);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower.find("tool") != std::string::npos;
}

/// The tag <...> or [...] at the end of a text; nothing when none that speaks of tools is there.
std::string_view tag_before(std::string_view text) {
  if (text.empty() || (text.back() != '>' && text.back() != ']')) return {};
  const std::size_t begin = text.rfind(text.back() == '>' ? '<' : '[');
  const std::string_view tag = begin == std::string_view::npos ? std::string_view() : text.substr(begin);
  return names_tools(tag) ? tag : std::string_view();
}

std::string_view tag_behind(std::string_view text) {
  if (!text.starts_with('<')) return {};
  const std::string_view tag = text.substr(0, std::min(text.find('>'), text.size() - 1) + 1);
  return names_tools(tag) ? tag : std::string_view();
}

/// [TOOL_CALLS] [{"name": ..., "arguments": ..., "id": ...}] as Mistral's templates write it, and lists between tags.
std::optional<ToolForm> list_in(std::string_view text) {
  const std::string head = fmt::format(R"([{{"name": "{}", "arguments": {{"key": 7}})", kFunction);
  const std::size_t at = text.find(head);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view before = text.substr(0, at);
  std::string_view behind = text.substr(at + head.size());
  ToolForm form;
  form.list = true;
  form.open = tag_before(before.substr(0, before.find_last_not_of(" \n") + 1));
  if (form.open.empty()) return std::nullopt;
  form.gap = before.substr(before.rfind(form.open) + form.open.size());
  const std::string id = fmt::format(R"(, "id": "{}")", kId);
  form.ids = behind.starts_with(id);
  if (form.ids) behind.remove_prefix(id.size());
  if (!behind.starts_with("}]")) return std::nullopt;
  form.close = tag_behind(behind.substr(2));
  return form;
}

/// The form of a call as it stands in a history.
std::optional<ToolForm> form_in(std::string_view text) {
  if (std::optional<ToolForm> list = list_in(text)) return list;
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

/// An id of the size that the template takes: the one that is there, or one made of its digest.
void shorten_id(Json& holder, const char* key) {
  if (!holder.contains(key) || !holder.at(key).is_string()) return;
  const auto& id = holder.at(key).get_ref<const std::string&>();
  if (id.size() != kToolIdSize) holder[key] = sha256(std::as_bytes(std::span(id))).substr(0, kToolIdSize);
}

void shorten_ids(Json& message) {
  shorten_id(message, "tool_call_id");
  if (!message.contains("tool_calls")) return;
  for (Json& call : message.at("tool_calls")) shorten_id(call, "id");
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
      if (form.ids) shorten_ids(message);
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
