#include "serve/responses_answer.hpp"

namespace gyre::serve {
namespace {

constexpr std::size_t kMostInputItems = 4096;

Json message_item(Fields& item, const std::string& field) {
  const std::string role = item.text("role").value_or("");
  if (role != "user" && role != "assistant" && role != "system" && role != "developer") {
    throw item.wrong("role", "choose user, assistant, system or developer");
  }
  const Json* const content = item.find("content");
  if (content == nullptr) throw item.wrong("content", "it is missing");
  item.ignore({"id", "status", "phase"});
  return {{"role", role == "developer" ? "system" : role},
          {"content", read_content(*content, field + ".content", {"input_text", "output_text", "text"})}};
}

Json call_item(Fields& item) {
  const std::string name = item.text("name").value_or("");
  if (name.empty()) throw item.wrong("name", "it is missing");
  const std::string text = item.text("arguments").value_or("");
  Json arguments = text.empty() ? Json::object() : Json::parse(text, nullptr, false);
  if (!arguments.is_object()) throw item.wrong("arguments", "expected the JSON text of an object");
  const std::string id = item.text("call_id").value_or("");
  item.ignore({"id", "status"});
  return {{"id", id}, {"type", "function"}, {"function", {{"name", name}, {"arguments", std::move(arguments)}}}};
}

Json result_item(Fields& item, const std::string& field) {
  const Json* const output = item.find("output");
  if (output == nullptr) throw item.wrong("output", "it is missing");
  const std::string id = item.text("call_id").value_or("");
  item.ignore({"id", "status"});
  return {{"role", "tool"},
          {"tool_call_id", id},
          {"content", read_content(*output, field + ".output", {"input_text", "output_text", "text"})}};
}

/// Calls that follow each other are of one message.
void add_call(Json call, Json& messages) {
  if (messages.empty() || messages.back().at("role") != "assistant") {
    messages.push_back({{"role", "assistant"}, {"content", ""}});
  }
  Json& calls = messages.back()["tool_calls"];
  if (calls.is_null()) calls = Json::array();
  calls.push_back(std::move(call));
}

void add_item(const Json& json, const std::string& field, Json& messages) {
  Fields item(json, field);
  const std::string type = item.text("type").value_or("message");
  if (type == "message") {
    messages.push_back(message_item(item, field));
  } else if (type == "function_call") {
    add_call(call_item(item), messages);
  } else if (type == "function_call_output") {
    messages.push_back(result_item(item, field));
  } else {
    throw item.wrong("type", "\"{}\" is not offered; give messages, calls of functions and their outputs",
                     type.substr(0, 40));
  }
  item.done();
}

Conversation read_input(Fields& body) {
  Conversation conversation;
  if (const auto instructions = body.text("instructions"); instructions && !instructions->empty()) {
    conversation.messages.push_back({{"role", "system"}, {"content", *instructions}});
  }
  const Json* const input = body.find("input");
  if (input == nullptr) throw body.wrong("input", "it is missing; give a text or a list of items");
  if (input->is_string()) {
    conversation.messages.push_back({{"role", "user"}, {"content", *input}});
    return conversation;
  }
  const Json& items = *body.list("input", kMostInputItems);
  if (items.empty()) throw body.wrong("input", "give at least one item");
  for (std::size_t i = 0; i < items.size(); ++i) {
    add_item(items[i], fmt::format("input[{}]", i), conversation.messages);
  }
  return conversation;
}

void read_text_options(Fields& body, FormatCache& formats, TextRequest& request) {
  std::optional<Fields> text = body.object("text");
  if (!text) return;
  text->ignore({"verbosity"});
  read_text_format(*text, formats, request);
  text->done();
}

/// Logarithms of probabilities are asked for under "include".
void read_include(Fields& body, Generation& generation) {
  const auto likeliest = body.integer("top_logprobs", 0, kRequestLimits.logprobs);
  bool wanted = false;
  if (const Json* const list = body.list("include", 64)) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      wanted |= (*list)[i] == "message.output_text.logprobs";
      if (!wanted) throw body.wrong(fmt::format("include[{}]", i), "{} is not there", dump((*list)[i]).substr(0, 80));
    }
  }
  if (likeliest && *likeliest > 0 && !wanted) {
    throw body.wrong("top_logprobs", "only where \"include\" has \"message.output_text.logprobs\"");
  }
  if (wanted) generation.logprobs = static_cast<int>(likeliest.value_or(0));
}

/// Nothing is kept between requests.
void refuse_what_is_kept(Fields& body) {
  for (const char* name : {"previous_response_id", "conversation", "prompt"}) body.only(name, {});
  body.only("store", {false});
  body.only("background", {false});
  body.only("truncation", {"disabled"});
  body.only("n", {1});
}

}  // namespace

TextRequest read_responses_request(const Json& json, std::span<const ServedModel> models, FormatCache& formats) {
  Fields body(json, "");
  TextRequest request;
  Generation& generation = request.generation;
  refuse_what_is_kept(body);
  const ServedModel& model = read_shared_fields(body, models, formats, request);
  read_text_options(body, formats, request);
  read_include(body, generation);
  generation.limits.tokens =
      static_cast<int>(body.integer("max_output_tokens", 1, kRequestLimits.tokens).value_or(kRequestLimits.tokens));
  finish_chat(body, ToolStyle::flat, model, formats, request, read_input(body), "input");
  return request;
}

}  // namespace gyre::serve
