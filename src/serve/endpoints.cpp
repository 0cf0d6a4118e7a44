#include "serve/endpoints.hpp"

namespace gyre::serve {
namespace {

constexpr Endpoint kEndpoints[] = {
    {"GET", "/", show_page, {"A page to use the server by", nullptr, nullptr, nullptr, true}, true},
    {"POST", "/chat/completions", complete_chat, {"Go on with a conversation", "ChatRequest", "Chat", "ChatChunk"}},
    {"POST", "/completions", complete, {"Go on with texts", "CompletionRequest", "Completion", "Completion"}},
    {"POST", "/responses", respond, {"Answer", "ResponsesRequest", "Response", "ResponseEvent"}},
    {"GET", "/models", list_models, {"The models that are served", nullptr, "Models"}, true},
    {"GET", "/models/*", show_model, {"One of them", nullptr, "Model"}, true},
    {"GET", "/health", show_health, {"Whether the server is there", nullptr, "Health", nullptr, true}, true},
    {"POST",
     "/completion",
     complete_natively,
     {"Go on with a text, as llama.cpp does", "NativeRequest", "Native", "Native", true}},
    {"POST", "/embeddings", embed, {"Vectors of texts", "EmbeddingRequest", "Embeddings"}},
    {"POST", "/tokenize", tokenize, {"The tokens of a text", "TokenizeRequest", "Tokens", nullptr, true}},
    {"POST", "/detokenize", detokenize, {"The text of tokens", "DetokenizeRequest", "Text", nullptr, true}},
    {"POST",
     "/apply-template",
     apply_template,
     {"A conversation as the model's template writes it", "TemplateRequest", "Prompt", nullptr, true}},
    {"GET", "/tokenizer_info", show_tokenizer, {"The tokenizer of a model", nullptr, "TokenizerInfo", nullptr, true}},
    {"GET", "/props", show_properties, {"How the server is set", nullptr, "Properties", nullptr, true}},
    {"GET", "/slots", show_places, {"The texts that run", nullptr, "Places", nullptr, true}},
    {"GET", "/metrics", show_metrics, {"Numbers for Prometheus", nullptr, nullptr, nullptr, true}},
    {"GET", "/openapi.json", show_document, {"This document", nullptr, "Document", nullptr, true}, true},
};

}  // namespace

std::span<const Endpoint> endpoints() { return kEndpoints; }

void send_json(httplib::Response& response, const Json& json, int status) {
  response.status = status;
  response.set_content(dump(json), "application/json");
}

}  // namespace gyre::serve
