#include "serve/endpoints.hpp"

namespace gyre::serve {
namespace {

Json model_json(const ServedModel& model) {
  const ModelSpec& spec = model.spec();
  Json groups = Json::array();
  for (const Group& group : spec.groups) {
    groups.push_back({{"name", group.name}, {"layers", group.layers}, {"loops", group.loops}});
  }
  return {{"id", model.name},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "gyre"},
          {"gyre",
           {{"sha256", model.checkpoint.model.hash()},
            {"family", model.checkpoint.model.family()},
            {"weights", model.checkpoint.model.weight_type()},
            {"context", model.context},
            {"vocabulary", model.vocabulary()},
            {"chat", model.chat.has_value()},
            {"encoder", model.encoder()},
            {"groups", std::move(groups)}}}};
}

}  // namespace

void show_health(const Service& /*service*/, Exchange& exchange) { send_json(exchange.response, {{"status", "ok"}}); }

void list_models(const Service& service, Exchange& exchange) {
  Json list = Json::array();
  for (const ServedModel& model : service.models) list.push_back(model_json(model));
  send_json(exchange.response, {{"object", "list"}, {"data", std::move(list)}});
}

void show_model(const Service& service, Exchange& exchange) {
  const std::string_view name = exchange.path.substr(std::string_view("/models/").size());
  for (const ServedModel& model : service.models) {
    if (model.name == name) return send_json(exchange.response, model_json(model));
  }
  ApiError missing(404, "invalid_request_error", fmt::format("there is no model \"{}\" here", name));
  throw missing.about("model").coded("model_not_found");
}

}  // namespace gyre::serve
