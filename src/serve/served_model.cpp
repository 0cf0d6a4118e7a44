#include "serve/served_model.hpp"

#include <chrono>

namespace gyre::serve {
namespace {

/// What users write is text, wherever it stands in a message.
void mark_texts(Json& json, const Tokenizer& tokenizer) {
  if (json.is_string()) {
    json = tokenizer.mark_special(json.get_ref<const std::string&>());
  } else if (json.is_structured()) {
    for (Json& inner : json) mark_texts(inner, tokenizer);
  }
}

/// What was said of a conversation, without where on this machine its template lies.
std::string without_path(std::string message, const ServedModel& model) {
  const std::string path = model.checkpoint.model.path().string();
  for (std::size_t at = message.find(path); at != std::string::npos; at = message.find(path, at + model.name.size())) {
    message.replace(at, path.size(), model.name);
  }
  return message;
}

}  // namespace

ServedModel ServedModel::open(std::string name, Checkpoint checkpoint, int context) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  ServedModel served{.name = std::move(name),
                     .checkpoint = std::move(checkpoint),
                     .created = std::chrono::duration_cast<std::chrono::seconds>(now).count()};
  served.digest = served.checkpoint.model.hash();
  served.context = context > 0 ? context : default_context(served.spec());
  if (served.encoder()) return served;
  try {
    served.chat = served.checkpoint.chat_template();
    served.tools = tool_form_of(*served.chat);
  } catch (const Error&) {
    served.no_chat = "this model came without a chat template that can be read; use /v1/completions";
  }
  return served;
}

std::vector<std::int32_t> ServedModel::encode(std::string_view text, const std::string& field) const {
  try {
    if (special_tokens) return tokenizer().encode(text);
    return tokenizer().encode_marked(tokenizer().mark_special(text));
  } catch (const Error& failure) {
    throw bad_request(field, "{}: {}", field, failure.what());
  }
}

std::vector<std::int32_t> ServedModel::encode_prompt(std::string_view text, const std::string& field) const {
  std::vector<std::int32_t> tokens = tokenizer().prefix_tokens();
  const std::vector<std::int32_t> words = encode(text, field);
  tokens.insert(tokens.end(), words.begin(), words.end());
  return tokens;
}

std::string ServedModel::render(Conversation conversation, const std::string& field) const {
  if (!chat) throw bad_request(field, "{}: {}", field, no_chat);
  try {
    if (tools) write_tools(conversation, *tools);
    if (!special_tokens) {
      mark_texts(conversation.messages, tokenizer());
      mark_texts(conversation.tools, tokenizer());
      mark_texts(conversation.documents, tokenizer());
      mark_texts(conversation.arguments, tokenizer());
    }
    return chat->render(conversation);
  } catch (const Error& failure) {
    throw bad_request(field, "{}: {}", field, without_path(failure.what(), *this));
  }
}

std::vector<std::int32_t> ServedModel::encode_rendered(std::string_view text, const std::string& field) const {
  try {
    return special_tokens ? tokenizer().encode(text) : tokenizer().encode_marked(text);
  } catch (const Error& failure) {
    throw bad_request(field, "{}: {}", field, failure.what());
  }
}

std::string ServedModel::piece(std::int32_t token) const {
  return token < tokenizer().size() ? tokenizer().piece(token) : fmt::format("<{}>", token);
}

}  // namespace gyre::serve
