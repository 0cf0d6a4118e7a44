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
            {"encoder", model.encoder()},
            {"groups", std::move(groups)}}}};
}

/// Lines of Prometheus' text form: what a number is, then its values.
class MetricLines {
 public:
  void head(std::string_view name, std::string_view type, std::string_view help) {
    text_ += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
  }
  void value(std::string_view name, const std::vector<std::pair<const char*, std::string>>& labels,
             std::uint64_t number) {
    text_ += name;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      text_ += fmt::format("{}{}=\"{}\"", i == 0 ? "{" : ",", labels[i].first, escaped(labels[i].second));
    }
    text_ += fmt::format("{} {}\n", labels.empty() ? "" : "}", number);
  }
  void one(std::string_view name, std::string_view type, std::string_view help, std::uint64_t number) {
    head(name, type, help);
    value(name, {}, number);
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  static std::string escaped(const std::string& label) {
    std::string text;
    for (const char c : label) {
      if (c == '\\' || c == '"') text += '\\';
      text += c == '\n' ? ' ' : c;
    }
    return text;
  }

  std::string text_;
};

void add_loops(const Service& service, MetricLines& lines) {
  const std::map<std::string, std::vector<GroupTotals>> all = service.totals.groups();
  const auto each = [&](const auto& work) {
    for (const ServedModel& model : service.models) {
      const auto found = all.find(model.name);
      if (found == all.end()) continue;
      for (std::size_t g = 0; g < found->second.size(); ++g) {
        const GroupTotals& group = found->second[g];
        if (group.run > 0) work(model.name, model.spec().groups[g].name, group);
      }
    }
  };
  lines.head("gyre:loops_total", "counter", "Loops run for generated tokens.");
  each([&](const std::string& model, const std::string& name, const GroupTotals& group) {
    lines.value("gyre:loops_total", {{"model", model}, {"group", name}}, group.run);
  });
  lines.head("gyre:loops_saved_total", "counter", "Loops that exits left out.");
  each([&](const std::string& model, const std::string& name, const GroupTotals& group) {
    lines.value("gyre:loops_saved_total", {{"model", model}, {"group", name}}, group.saved);
  });
  lines.head("gyre:exits_total", "counter", "Generated tokens by why they left a group.");
  each([&](const std::string& model, const std::string& name, const GroupTotals& group) {
    for (const auto& [reason, count] : group.exits) {
      lines.value("gyre:exits_total", {{"model", model}, {"group", name}, {"reason", reason}}, count);
    }
  });
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

/// Places, of which the first so many are taken: which of them runs what changes from loop to loop.
void show_places(const Service& service, Exchange& exchange) {
  const Load load = service.engine.load();
  Json places = Json::array();
  for (std::size_t i = 0; i < service.options.parallel; ++i) {
    places.push_back({{"id", i}, {"is_processing", i < load.running}});
  }
  send_json(exchange.response, places);
}

/// llama.cpp's and vLLM's names where they mean the same.
void show_metrics(const Service& service, Exchange& exchange) {
  const Load load = service.engine.load();
  const Totals& totals = service.totals;
  MetricLines lines;
  lines.one("llamacpp:prompt_tokens_total", "counter", "Tokens of prompts that were run.", totals.prompt_tokens);
  lines.one("llamacpp:tokens_predicted_total", "counter", "Tokens generated.", totals.tokens);
  lines.one("llamacpp:requests_processing", "gauge", "Texts that run.", load.running);
  lines.one("llamacpp:requests_deferred", "gauge", "Requests that wait for a place.", load.waiting);
  lines.one("vllm:num_requests_running", "gauge", "Texts that run.", load.running);
  lines.one("vllm:num_requests_waiting", "gauge", "Requests that wait for a place.", load.waiting);
  lines.one("gyre:requests_total", "counter", "Requests for texts that were taken.", totals.requests);
  lines.one("gyre:requests_refused_total", "counter", "Those that found no room in the queue.", totals.refused);
  lines.one("gyre:requests_cancelled_total", "counter", "Those whose client went away.", totals.cancelled);
  lines.one("gyre:requests_failed_total", "counter", "Those that ended with an error.", totals.failed);
  lines.one("gyre:cached_tokens_total", "counter", "Tokens of prompts that need not be run.", totals.cached_tokens);
  lines.one("gyre:steps_total", "counter", "Runs of one loop of one group.", totals.steps);
  lines.one("gyre:layer_passes_total", "counter", "Passes of layers over their weights.", totals.layer_passes);
  lines.one("gyre:layer_rows_total", "counter", "Tokens that shared them, summed.", totals.layer_rows);
  add_loops(service, lines);
  exchange.response.status = 200;
  exchange.response.set_content(lines.text(), "text/plain; version=0.0.4");
}

}  // namespace gyre::serve
