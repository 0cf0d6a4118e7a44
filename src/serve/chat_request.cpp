#include <algorithm>

#include "base/error.hpp"
#include "serve/request.hpp"

namespace gyre::serve {
namespace {

constexpr std::size_t kMostMessages = 4096;
constexpr std::size_t kMostCalls = 128;  ///< of a message

/// The calls of a message, whose arguments templates want as objects.
Json calls_of(Fields& message, const Json& list) {
  Json calls = list;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    Fields call(calls[i], fmt::format("{}[{}]", message.path_of("tool_calls"), i));
    if (call.text("type").value_or("function") != "function") throw call.wrong("type", "choose a \"function\"");
    std::optional<Fields> function = call.object("function");
    if (!function) throw call.wrong("function", "it is missing");
    if (function->text("name").value_or("").empty()) throw function->wrong("name", "it is missing");
    const Json* const given = function->find("arguments");
    Json arguments = given == nullptr ? Json::object() : *given;
    if (arguments.is_string()) {
      const auto text = arguments.get<std::string>();
      arguments = text.empty() ? Json::object() : Json::parse(text, nullptr, false);
    }
    if (!arguments.is_object()) throw function->wrong("arguments", "expected an object, or the JSON text of one");
    calls[i]["function"]["arguments"] = std::move(arguments);
  }
  return calls;
}

Json message_of(const Json& json, const std::string& field) {
  Fields fields(json, field);
  const std::optional<std::string> role = fields.text("role");
  if (!role || role->empty()) throw fields.wrong("role", "it is missing; give a text such as \"user\"");
  fields.only("function_call", {});
  fields.only("audio", {});
  Json message = json;
  if (*role == "developer") message["role"] = "system";
  if (const Json* const calls = fields.list("tool_calls", kMostCalls); calls != nullptr && !calls->empty()) {
    if (*role != "assistant") throw fields.wrong("tool_calls", "only an assistant calls functions");
    message["tool_calls"] = calls_of(fields, *calls);
  } else {
    message.erase("tool_calls");
  }
  if (fields.find("content") == nullptr && *role != "assistant" && *role != "tool") {
    throw fields.wrong("content", "it is missing; give a text");
  }
  message["content"] =
      read_content(json.contains("content") ? json.at("content") : Json(nullptr), field + ".content", {"text"});
  return message;
}

void refuse_media(Fields& body) {
  body.only("functions", {Json::array()});
  body.only("function_call", {"none", "auto"});
  body.only("modalities", {Json::array({"text"})});
  body.only("continue_final_message", {false});
  body.ignore({"verbosity"});
}

void read_chat_logprobs(Fields& body, Generation& generation) {
  const bool wanted = body.boolean("logprobs").value_or(false);
  const auto likeliest = body.integer("top_logprobs", 0, kRequestLimits.logprobs);
  if (likeliest && *likeliest > 0 && !wanted) throw body.wrong("top_logprobs", "only where \"logprobs\" is true");
  if (wanted) generation.logprobs = static_cast<int>(likeliest.value_or(0));
}

int read_most_tokens(Fields& body) {
  const auto tokens = body.integer("max_tokens", -1, kRequestLimits.tokens);
  const auto completion = body.integer("max_completion_tokens", 1, kRequestLimits.tokens);
  if (tokens && completion && *tokens != *completion) {
    throw body.wrong("max_completion_tokens", "max_tokens says another number; leave one out");
  }
  if (tokens && *tokens == 0) throw body.wrong("max_tokens", "0 tokens would be no answer");
  const std::int64_t most = completion ? *completion : tokens.value_or(-1);
  return static_cast<int>(most < 0 ? kRequestLimits.tokens : most);
}

/// What the template is given of the functions, what the model may write, and how that is read.
void offer_tools(Fields& body, ToolStyle style, const ServedModel& model, FormatCache& formats, TextRequest& request,
                 Conversation& conversation) {
  const std::optional<Tools> tools = read_tools(body, style);
  if (!tools || tools->choice == Tools::Choice::none) return;
  if (!model.tools) {
    throw body.wrong("tools", "{} writes calls of functions in a form that is not read here; leave them out",
                     model.name);
  }
  Generation& generation = request.generation;
  if (generation.format != nullptr) {
    throw body.wrong("tools", "another field says already what the text has to be; leave one out");
  }
  conversation.tools = tools->shown;
  request.reader.emplace(*model.tools, tools->functions());
  std::string key = fmt::format("{} {} calls ", generation.model, generation.limits.ends.size());
  for (const char* name : {"tools", "tool_choice", "parallel_tool_calls"}) {
    const Json* const value = body.find(name);
    key += fmt::format("{}: {}, ", name, value == nullptr ? "" : dump(*value));
  }
  generation.format = formats.get(key, [&]() -> std::shared_ptr<TokenMask> {
    try {
      const TagTokens tags(model.tokenizer(), model.vocabulary(), generation.limits.ends);
      std::optional<ByteAutomaton> language = language_of_calls(*tools, *model.tools, tags);
      return language ? std::make_shared<TokenMask>(std::move(*language), generation.limits.ends) : nullptr;
    } catch (const Error& failure) {
      throw body.wrong("tools", "{}", failure.what());
    }
  });
}

}  // namespace

std::string read_content(const Json& content, const std::string& field, std::initializer_list<std::string_view> kinds) {
  if (content.is_null()) return {};
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) {
    throw bad_request(field, "{}: expected a text or a list of parts, found {}", field, kind_of(content));
  }
  std::string text;
  for (std::size_t i = 0; i < content.size(); ++i) {
    Fields part(content[i], fmt::format("{}[{}]", field, i));
    const std::string type = part.text("type").value_or("");
    if (std::find(kinds.begin(), kinds.end(), type) == kinds.end()) {
      throw part.wrong("type", "\"{}\" is not offered; this model reads text", type.substr(0, 40));
    }
    const std::optional<std::string> words = part.text("text");
    if (!words) throw part.wrong("text", "it is missing");
    text += *words;
  }
  return text;
}

Conversation read_chat(Fields& body) {
  const Json* const messages = body.list("messages", kMostMessages);
  if (messages == nullptr || messages->empty()) throw body.wrong("messages", "give at least one message");
  Conversation conversation;
  for (std::size_t i = 0; i < messages->size(); ++i) {
    conversation.messages.push_back(message_of((*messages)[i], fmt::format("messages[{}]", i)));
  }
  if (const Json* const documents = body.list("documents", kMostMessages)) conversation.documents = *documents;
  conversation.add_generation_prompt = body.boolean("add_generation_prompt").value_or(true);
  if (const Json* const arguments = body.find("chat_template_kwargs")) {
    if (!arguments->is_object()) {
      throw body.wrong("chat_template_kwargs", "expected an object, found {}", kind_of(*arguments));
    }
    conversation.arguments = *arguments;
  }
  return conversation;
}

void finish_chat(Fields& body, ToolStyle style, const ServedModel& model, FormatCache& formats, TextRequest& request,
                 Conversation conversation, const char* field) {
  offer_tools(body, style, model, formats, request, conversation);
  body.done();
  request.generation.prompts = {model.encode_rendered(model.render(std::move(conversation), field), field)};
  request.prompt_from_text = {true};
  require_fits(request.generation.prompts.front(), model, field);
}

TextRequest read_chat_request(const Json& json, std::span<const ServedModel> models, FormatCache& formats) {
  Fields body(json, "");
  TextRequest request;
  Generation& generation = request.generation;
  const ServedModel& model = read_shared_fields(body, models, formats, request);
  refuse_media(body);
  read_chat_logprobs(body, generation);
  generation.limits.tokens = read_most_tokens(body);
  finish_chat(body, ToolStyle::nested, model, formats, request, read_chat(body), "messages");
  return request;
}

}  // namespace gyre::serve
