#include "serve/endpoints.hpp"

namespace gyre::serve {
namespace {

Json model_json(const ServedModel& model) {
  const ModelSpec& spec = model.spec();
  Json groups = Json::array();
  for (const Group& group : spec.groups) {
    groups.push_back(
        {{"name", group.name}, {"layers", group.layers}, {"loops", group.loops}, {"gate", group.exit_gate}});
  }
  return {{"id", model.name},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "gyre"},
          {"gyre",
           {{"sha256", model.digest},
            {"family", model.checkpoint.model.family()},
            {"weights", model.checkpoint.model.weight_type()},
            {"context", model.context},
            {"vocabulary", model.vocabulary()},
            {"chat", model.chat.has_value()},
            {"tools", model.tools.has_value()},
            {"encoder", model.encoder()},
            {"groups", std::move(groups)}}}};
}

/// A text that runs, with llama.cpp's names where they mean the same, and where the tokens on their way are.
Json place_json(const ServedModel& model, const TextState& text, std::size_t id) {
  Json flight = nullptr;
  if (text.flights > 0 && text.group < model.spec().groups.size()) {
    flight = {{"position", text.length},
              {"tokens", text.flights},
              {"group", model.spec().groups[text.group].name},
              {"loop", text.loop}};
  }
  return {{"id", id},
          {"is_processing", true},
          {"model", model.name},
          {"choice", text.choice},
          {"n_ctx", model.context},
          {"n_prompt_tokens", text.prompt},
          {"n_prompt_tokens_cache", text.cached},
          {"n_past", text.length},
          {"n_decoded", text.generated},
          {"kv_bytes", text.kv_bytes},
          {"kv_pages", text.kv_pages},
          {"flight", std::move(flight)}};
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
  throw ApiError(404, "invalid_request_error", fmt::format("there is no model \"{}\" here", name),
                 {.param = "model", .code = "model_not_found"});
}

void show_properties(const Service& service, Exchange& exchange) {
  const ServedModel& model = service.models.front();
  send_json(exchange.response,
            {{"default_generation_settings", {{"n_ctx", model.context}}},
             {"total_slots", service.options.parallel},
             {"model_alias", model.name},
             {"chat_template", model.chat ? Json(model.chat->source()) : Json(nullptr)},
             {"gyre", {{"threads", service.options.lane.threads}, {"queue", service.options.queue}}}});
}

/// The texts that run, then the places that are free.
void show_places(const Service& service, Exchange& exchange) {
  const std::vector<LaneState> lanes = service.engine.look();
  Json places = Json::array();
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    for (const TextState& text : lanes[i].texts) places.push_back(place_json(service.models[i], text, places.size()));
  }
  while (places.size() < service.options.parallel) {
    places.push_back({{"id", places.size()}, {"is_processing", false}});
  }
  send_json(exchange.response, places);
}

}  // namespace gyre::serve
