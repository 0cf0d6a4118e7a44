#pragma once

#include <httplib.h>

#include <chrono>
#include <span>
#include <string>
#include <string_view>

#include "serve/engine_thread.hpp"
#include "serve/format_cache.hpp"
#include "serve/served_model.hpp"
#include "serve/totals.hpp"

namespace gyre::serve {

/// What endpoints work with.
struct Service {
  std::span<const ServedModel> models;
  EngineThread& engine;
  const Totals& totals;
  const EngineOptions& options;
  FormatCache& formats;
  std::chrono::seconds timeout;
};

/// A request and its answer. For GET the body is empty.
struct Exchange {
  const httplib::Request& request;
  httplib::Response& response;
  std::string_view path;  ///< without /v1 and a slash at its end
  Json body = Json::object();
};

/// What the document says of an endpoint (openapi.hpp); schemas are known by their names.
struct EndpointForm {
  const char* summary = nullptr;
  const char* takes = nullptr;    ///< the schema of its body
  const char* gives = nullptr;    ///< that of its answer; null: a text
  const char* streams = nullptr;  ///< that of the lines of its stream
  bool outside_v1 = false;        ///< clients know it without /v1
};

struct Endpoint {
  const char* method = nullptr;
  const char* path = nullptr;  ///< without /v1; with "/*" at its end what follows is the handler's to read
  void (*handle)(const Service& service, Exchange& exchange) = nullptr;
  EndpointForm form = {};
  bool open = false;  ///< without a key
};

/// All there are.
std::span<const Endpoint> endpoints();

void send_json(httplib::Response& response, const Json& json, int status = 200);

// Texts.
void complete(const Service& service, Exchange& exchange);
void complete_chat(const Service& service, Exchange& exchange);
void respond(const Service& service, Exchange& exchange);
void complete_natively(const Service& service, Exchange& exchange);

// Vectors.
void embed(const Service& service, Exchange& exchange);

// Tokens.
void tokenize(const Service& service, Exchange& exchange);
void detokenize(const Service& service, Exchange& exchange);
void show_tokenizer(const Service& service, Exchange& exchange);
void apply_template(const Service& service, Exchange& exchange);

// The page at /.
void show_page(const Service& service, Exchange& exchange);

// What the server is and does.
void show_health(const Service& service, Exchange& exchange);
void list_models(const Service& service, Exchange& exchange);
void show_model(const Service& service, Exchange& exchange);
void show_properties(const Service& service, Exchange& exchange);
void show_places(const Service& service, Exchange& exchange);
void show_metrics(const Service& service, Exchange& exchange);
void show_document(const Service& service, Exchange& exchange);

}  // namespace gyre::serve
