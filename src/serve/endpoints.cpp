#include "serve/endpoints.hpp"

namespace gyre::serve {
namespace {

constexpr Endpoint kEndpoints[] = {
    {"GET", "/", show_page, true},
    {"POST", "/chat/completions", complete_chat},
    {"POST", "/completions", complete},
    {"GET", "/models", list_models, true},
    {"GET", "/models/*", show_model, true},
    {"GET", "/health", show_health, true},
    {"POST", "/completion", complete_natively},
    {"POST", "/embeddings", embed},
    {"POST", "/tokenize", tokenize},
    {"POST", "/detokenize", detokenize},
    {"POST", "/apply-template", apply_template},
    {"GET", "/tokenizer_info", show_tokenizer},
    {"GET", "/props", show_properties},
    {"GET", "/slots", show_places},
    {"GET", "/metrics", show_metrics},
};

}  // namespace

std::span<const Endpoint> endpoints() { return kEndpoints; }

void send_json(httplib::Response& response, const Json& json, int status) {
  response.status = status;
  response.set_content(dump(json), "application/json");
}

}  // namespace gyre::serve
