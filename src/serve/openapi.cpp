#include "serve/openapi.hpp"

#include <string>

#include "serve/endpoints.hpp"

namespace gyre::serve {
namespace {

Json content(const std::string& type, const char* schema) {
  Json body = Json::object();
  if (schema != nullptr) {
    body["schema"] = {{"$ref", fmt::format("#/components/schemas/{}", schema)}};
  } else {
    body["schema"] = {{"type", "string"}};
  }
  return {{type, std::move(body)}};
}

/// What an endpoint does. Whatever goes wrong is told in one form.
Json operation(const Endpoint& endpoint) {
  const EndpointForm& form = endpoint.form;
  Json answers = content(form.gives == nullptr ? "text/plain" : "application/json", form.gives);
  if (form.streams != nullptr) answers.update(content("text/event-stream", form.streams));
  Json made = {{"summary", form.summary},
               {"responses",
                {{"200", {{"description", "It is done."}, {"content", std::move(answers)}}},
                 {"default", {{"description", "It is not."}, {"content", content("application/json", "Error")}}}}}};
  if (form.takes != nullptr) {
    made["requestBody"] = {{"required", true}, {"content", content("application/json", form.takes)}};
  }
  if (std::string_view(endpoint.path).ends_with("/*")) {
    made["parameters"] =
        Json::array({Json{{"name", "name"}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}}});
  }
  if (endpoint.open) made["security"] = Json::array();
  return made;
}

std::string path_of(const Endpoint& endpoint) {
  std::string path = endpoint.path;
  if (path.ends_with("/*")) path.replace(path.size() - 1, 1, "{name}");
  return fmt::format("{}{}", endpoint.form.outside_v1 ? "" : "/v1", path);
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return text;
}

}  // namespace

Json openapi_document() {
  Json paths = Json::object();
  for (const Endpoint& endpoint : endpoints()) paths[path_of(endpoint)][lower(endpoint.method)] = operation(endpoint);
  return {{"openapi", "3.1.0"},
          {"info",
           {{"title", "gyre serve"},
            {"version", GYRE_VERSION},
            {"description", "Recurrent-depth transformers over HTTP. Paths under /v1 are there without it too."}}},
          {"security", Json::array({Json{{"key", Json::array()}}, Json::object()})},
          {"paths", std::move(paths)},
          {"components",
           {{"securitySchemes", {{"key", {{"type", "http"}, {"scheme", "bearer"}}}}}, {"schemas", openapi_schemas()}}}};
}

void show_document(const Service& /*service*/, Exchange& exchange) { send_json(exchange.response, openapi_document()); }

}  // namespace gyre::serve
