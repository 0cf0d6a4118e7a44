#include "serve/endpoints.hpp"
#include "serve/request.hpp"

namespace gyre::serve {
namespace {

const ServedModel& model_asked(Fields& body, const Service& service) {
  return service.models[model_of(body, service.models)];
}

std::string token_name(const ServedModel& model, std::int32_t token) {
  return model.tokenizer().names()[static_cast<std::size_t>(token)];
}

Json first_name(const ServedModel& model, const std::vector<std::int32_t>& tokens) {
  return tokens.empty() ? Json(nullptr) : Json(token_name(model, tokens.front()));
}

}  // namespace

/// The text is "content" as llama.cpp has it, which adds no tokens around it unless told, or "prompt" as vLLM does,
/// which adds them.
void tokenize(const Service& service, Exchange& exchange) {
  Fields body(exchange.body, "");
  const ServedModel& model = model_asked(body, service);
  const std::optional<std::string> content = body.text("content");
  const std::optional<std::string> prompt = body.text("prompt");
  if (content.has_value() == prompt.has_value()) throw body.wrong("content", "give the text here, or as \"prompt\"");
  const auto special = body.boolean("add_special");
  const auto special_tokens = body.boolean("add_special_tokens");
  const bool around = special ? *special : special_tokens.value_or(prompt.has_value());
  const bool pieces = body.boolean("with_pieces").value_or(false);
  if (body.boolean("parse_special").value_or(model.special_tokens) != model.special_tokens) {
    throw body.wrong("parse_special",
                     "whether special tokens are read in texts is the server's to say "
                     "(--special-tokens)");
  }
  body.ignore({"return_token_strs"});
  body.done();
  const std::string& text = content ? *content : *prompt;
  const std::string field = content ? "content" : "prompt";
  const std::vector<std::int32_t> tokens = around ? model.encode_prompt(text, field) : model.encode(text, field);
  Json list = Json::array();
  for (const std::int32_t token : tokens) {
    list.push_back(pieces ? Json{{"id", token}, {"piece", model.piece(token)}} : Json(token));
  }
  send_json(exchange.response,
            {{"tokens", std::move(list)}, {"count", tokens.size()}, {"max_model_len", model.context}});
}

void detokenize(const Service& service, Exchange& exchange) {
  Fields body(exchange.body, "");
  const ServedModel& model = model_asked(body, service);
  if (body.list("tokens", 1 << 20) == nullptr) throw body.wrong("tokens", "it is missing; give a list of tokens");
  const std::vector<std::int32_t> tokens = read_tokens(*body.find("tokens"), model, "tokens");
  body.done();
  const std::string text = model.tokenizer().decode(tokens);
  send_json(exchange.response, {{"content", text}, {"prompt", text}});
}

void show_tokenizer(const Service& service, Exchange& exchange) {
  const std::string name = exchange.request.get_param_value("model");
  Json asked = Json::object();
  if (!name.empty()) asked["model"] = name;
  Fields fields(asked, "");
  const ServedModel& model = model_asked(fields, service);
  send_json(exchange.response, {{"model", model.name},
                                {"vocab_size", model.vocabulary()},
                                {"bos_token", first_name(model, model.tokenizer().prefix_tokens())},
                                {"eos_token", first_name(model, model.checkpoint.language.end_tokens)},
                                {"pad_token", nullptr},
                                {"chat_template", model.chat ? Json(model.chat->source()) : Json(nullptr)}});
}

void apply_template(const Service& service, Exchange& exchange) {
  Fields body(exchange.body, "");
  const ServedModel& model = model_asked(body, service);
  Conversation conversation = read_chat(body);
  if (const auto tools = read_tools(body, ToolStyle::nested)) conversation.tools = tools->shown;
  body.done();
  send_json(exchange.response, {{"prompt", Tokenizer::without_marks(model.render(conversation, "messages"))}});
}

}  // namespace gyre::serve
