#include "serve/tool_form.hpp"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "serve/api_error.hpp"
#include "serve/reply_reader.hpp"
#include "serve/white_space.hpp"

namespace gyre::serve {
namespace {

constexpr const char* kFunction = "probe_of_a_function";
constexpr const char* kOther = "probe_of_another";
constexpr const char* kId = "probe0123";
constexpr const char* kOtherId = "probe4567";
constexpr const char* kQuestion = "probe of a question";
constexpr const char* kSystem = "probe of a system message";

/// A call that a template is given.
struct Call {
  const char* name = kFunction;
  Json arguments = {{"key", 7}};
  const char* id = kId;
};

Json probe_schema() {
  const auto of_type = [](const char* type) { return Json{{"type", type}, {"description", "a value"}}; };
  Json properties = {{"key", of_type("integer")},
                     {"words", of_type("string")},
                     {"flag", of_type("boolean")},
                     {"list", of_type("array")}};
  const Json arguments = probe_arguments();
  for (const auto& [name, value] : arguments.items()) {
    properties[name] = of_type(value.is_string() ? "string" : "integer");
  }
  return {{"type", "object"}, {"properties", properties}, {"required", Json::array({"key"})}};
}

Json probe_tools() {
  Json tools = Json::array();
  for (const char* name : {kFunction, kOther}) {
    tools.push_back({{"type", "function"},
                     {"function", {{"name", name}, {"description", "a probe"}, {"parameters", probe_schema()}}}});
  }
  return tools;
}

Json call_message(const std::vector<Call>& calls, bool as_text) {
  Json list = Json::array();
  for (const Call& call : calls) {
    const Json arguments = as_text ? Json(call.arguments.dump()) : call.arguments;
    list.push_back(
        {{"id", call.id}, {"type", "function"}, {"function", {{"name", call.name}, {"arguments", arguments}}}});
  }
  return {{"role", "assistant"}, {"content", ""}, {"tool_calls", list}};
}

/// What the template makes of it, or nothing when it refuses. Behind an answer no other is asked for.
std::optional<std::string> rendered(const ChatTemplate& chat, Json messages, Json tools) {
  Conversation conversation;
  conversation.add_generation_prompt = messages.back().at("role") != "assistant";
  conversation.messages = std::move(messages);
  conversation.tools = std::move(tools);
  try {
    return chat.render(conversation);
  } catch (const Error&) {
    return std::nullopt;
  }
}

Json user_message() { return {{"role", "user"}, {"content", kQuestion}}; }

/// What the template writes behind the user's message.
std::optional<std::string> answer_of(const ChatTemplate& chat, const std::vector<Call>& calls, bool as_text) {
  Json messages = Json::array({user_message()});
  if (!calls.empty()) messages.push_back(call_message(calls, as_text));
  const std::optional<std::string> text = rendered(chat, std::move(messages), probe_tools());
  if (!text) return std::nullopt;
  const std::size_t at = text->rfind(kQuestion);
  if (at == std::string::npos) return std::nullopt;
  return text->substr(at + std::string_view(kQuestion).size());
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

/// The calls that are read in a text.
std::vector<std::pair<std::string, Json>> calls_in(std::string_view text, const ToolForm& form) {
  ReplyReader reader(form, {{kFunction, probe_schema()}, {kOther, probe_schema()}});
  std::vector<ReplyPart> parts = reader.read(text);
  for (ReplyPart& part : reader.finish()) parts.push_back(std::move(part));
  std::vector<std::pair<std::string, std::string>> calls;
  for (const ReplyPart& part : parts) {
    if (part.kind == ReplyPart::Kind::call) calls.emplace_back(part.text, "");
    if (part.kind == ReplyPart::Kind::arguments) calls.back().second += part.text;
  }
  std::vector<std::pair<std::string, Json>> read;
  for (const auto& [name, arguments] : calls) read.emplace_back(name, Json::parse(arguments, nullptr, false));
  return read;
}

/// A form in which the name stands by itself, if calls that the template writes are read by it as what they are.
std::optional<ToolForm> named_form_of(const ChatTemplate& chat, bool as_text) {
  const std::optional<std::string> two =
      answer_of(chat, {{kFunction, probe_arguments()}, {kOther, probe_arguments(), kOtherId}}, as_text);
  const std::optional<std::string> as_objects = as_text ? answer_of(chat, {Call{}}, false) : std::nullopt;
  // Where a template writes objects in its own way, what it makes of a text is not what the model learned.
  if (as_objects && as_objects->find(kFunction) != std::string::npos &&
      as_objects->find("{'key': 7}") == std::string::npos) {
    return std::nullopt;
  }
  ToolForm form;
  std::optional<NamedForm> named = two ? named_form_in(*two, {kFunction, kId}, {kOther, kOtherId}) : std::nullopt;
  if (!named) return std::nullopt;
  form.named = std::move(*named);
  form.open = form.named.trigger();
  form.close.clear();
  form.ids = form.named.ids() && !form.named.numbers;
  const Json some = {{"key", -3}, {"words", "<b> & {\"a\": \"b\"}\n'c'"}, {"flag", true}};
  // Some templates write lists among arguments that stand apart as Python does, models as JSON.
  Json nested = {{"words", "7"}};
  if (!form.named.apart()) nested["list"] = Json::array({1, Json{{"a", nullptr}}});
  for (const std::vector<Call>& calls : {std::vector<Call>{{kFunction, probe_arguments()}},
                                         std::vector<Call>{{kFunction, Json::object()}, {kOther, some, kOtherId}},
                                         std::vector<Call>{{kOther, nested}, {kFunction, some, kOtherId}}}) {
    const std::optional<std::string> text = answer_of(chat, calls, as_text);
    std::vector<std::pair<std::string, Json>> expected;
    for (const Call& call : calls) expected.emplace_back(call.name, call.arguments);
    if (!text || calls_in(*text, form) != expected) return std::nullopt;
  }
  // What the prompt of an answer begins already would not stand in the answer.
  const std::optional<std::string> prompt = answer_of(chat, {}, as_text);
  if (!prompt || prompt->find(form.open) != std::string::npos) return std::nullopt;
  return form;
}

std::string listed(const Json& tools) {
  std::string text;
  for (const Json& tool : tools) text += tool.dump() + "\n";
  return text;
}

/// Functions, and how calls of them are written.
std::string told_by(const NamedForm& form, const Json& tools) {
  return fmt::format(
      "You may call one or more functions to assist with the user query.\n\nYou are provided with function signatures "
      "within <tools></tools> XML tags:\n<tools>\n{}</tools>\n\nWrite function calls in exactly this form, with the "
      "arguments as a JSON object:\n{}{}<function-name>{}<args-json-object>{}{}",
      listed(tools), form.begin, form.open, form.middle, form.close, form.end);
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

/// Of a template that writes calls and results in its own way, but shows no functions.
std::optional<ToolForm> own_calls_of(const ChatTemplate& chat) {
  for (const bool as_text : {false, true}) {
    std::optional<ToolForm> form = named_form_of(chat, as_text);
    if (!form || form->named.apart() || form->named.ids()) continue;
    const Json result = {{"role", "tool"}, {"tool_call_id", kId}, {"content", kSystem}};
    const std::optional<std::string> text =
        rendered(chat, Json::array({user_message(), call_message({Call{}}, as_text), result}), nullptr);
    if (!text || text->find(kSystem) == std::string::npos) continue;
    form->text_arguments = as_text;
    return form;
  }
  return std::nullopt;
}

}  // namespace

std::optional<ToolForm> tool_form_of(const ChatTemplate& chat) {
  const std::optional<std::string> with_tools = rendered(chat, Json::array({user_message()}), probe_tools());
  if (!with_tools) return std::nullopt;
  if (with_tools->find(kFunction) == std::string::npos) {
    const Json system = {{"role", "system"}, {"content", kSystem}};
    const std::optional<std::string> shown = rendered(chat, Json::array({system, user_message()}), nullptr);
    ToolForm form = own_calls_of(chat).value_or(ToolForm{});
    form.in_template = false;
    form.takes_system = shown && shown->find(kSystem) != std::string::npos;
    return form;
  }
  for (const bool as_text : {false, true}) {
    const std::optional<std::string> history =
        rendered(chat, Json::array({user_message(), call_message({Call{}}, as_text)}), probe_tools());
    std::optional<ToolForm> form = history ? form_in(*history) : std::nullopt;
    if (!form) form = named_form_of(chat, as_text);
    if (form) {
      form->text_arguments = as_text;
      return form;
    }
  }
  return std::nullopt;
}

void write_tools(Conversation& conversation, const ToolForm& form) {
  if (form.in_template || form.by_name()) {
    for (Json& message : conversation.messages) {
      if (form.text_arguments) write_arguments(message);
      if (form.ids) shorten_ids(message);
    }
    if (form.in_template) return;
  } else {
    for (Json& message : conversation.messages) message = without_calls(message, form);
  }
  if (conversation.tools.is_null()) return;
  const std::string words = form.by_name() ? told_by(form.named, conversation.tools) : told(conversation.tools);
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
