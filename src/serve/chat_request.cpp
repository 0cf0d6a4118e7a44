#include "serve/request.hpp"

namespace gyre::serve {
namespace {

constexpr RequestLimits kMost;
constexpr std::size_t kMostMessages = 4096;

/// What a message says, as a text: a text itself, or the parts of a list.
Json content_of(const Json& content, const std::string& field) {
  if (content.is_null() || content.is_string()) return content.is_null() ? Json("") : content;
  if (!content.is_array()) {
    throw bad_request(field, "{}: expected a text or a list of parts, found {}", field, kind_of(content));
  }
  std::string text;
  for (std::size_t i = 0; i < content.size(); ++i) {
    Fields part(content[i], fmt::format("{}[{}]", field, i));
    const std::string type = part.text("type").value_or("");
    if (type != "text") throw part.wrong("type", "\"{}\" is not offered; this model reads text", type.substr(0, 40));
    const std::optional<std::string> words = part.text("text");
    if (!words) throw part.wrong("text", "it is missing");
    text += *words;
  }
  return text;
}

Json message_of(const Json& json, const std::string& field) {
  Fields fields(json, field);
  const std::optional<std::string> role = fields.text("role");
  if (!role || role->empty()) throw fields.wrong("role", "it is missing; give a text such as \"user\"");
  fields.only("function_call", {});
  fields.only("audio", {});
  Json message = json;
  if (*role == "developer") message["role"] = "system";
  message["content"] = content_of(json.contains("content") ? json.at("content") : Json(nullptr), field + ".content");
  return message;
}

void refuse_tools_and_media(Fields& body) {
  body.only("tools", {Json::array()});
  body.only("functions", {Json::array()});
  body.only("tool_choice", {"none", "auto"});
  body.only("function_call", {"none", "auto"});
  body.only("modalities", {Json::array({"text"})});
  body.only("continue_final_message", {false});
  body.ignore({"parallel_tool_calls", "verbosity"});
}

void read_chat_logprobs(Fields& body, Generation& generation) {
  const bool wanted = body.boolean("logprobs").value_or(false);
  const auto likeliest = body.integer("top_logprobs", 0, kMost.logprobs);
  if (likeliest && *likeliest > 0 && !wanted) throw body.wrong("top_logprobs", "only where \"logprobs\" is true");
  if (wanted) generation.logprobs = static_cast<int>(likeliest.value_or(0));
}

int read_most_tokens(Fields& body) {
  const auto tokens = body.integer("max_tokens", -1, kMost.tokens);
  const auto completion = body.integer("max_completion_tokens", 1, kMost.tokens);
  if (tokens && completion && *tokens != *completion) {
    throw body.wrong("max_completion_tokens", "max_tokens says another number; leave one out");
  }
  if (tokens && *tokens == 0) throw body.wrong("max_tokens", "0 tokens would be no answer");
  const std::int64_t most = completion ? *completion : tokens.value_or(-1);
  return static_cast<int>(most < 0 ? kMost.tokens : most);
}

}  // namespace

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

TextRequest read_chat_request(const Json& json, std::span<const ServedModel> models, FormatCache& formats) {
  Fields body(json, "");
  TextRequest request;
  Generation& generation = request.generation;
  generation.model = model_of(body, models);
  const ServedModel& model = models[generation.model];
  read_shared_fields(body, model, formats, request);
  refuse_tools_and_media(body);
  read_chat_logprobs(body, generation);
  generation.limits.tokens = read_most_tokens(body);
  const Conversation conversation = read_chat(body);
  body.done();
  generation.prompts = {model.encode_rendered(model.render(conversation))};
  request.prompt_from_text = {true};
  require_fits(generation.prompts.front(), model, "messages");
  return request;
}

}  // namespace gyre::serve
