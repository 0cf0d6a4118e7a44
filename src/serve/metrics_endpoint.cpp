#include <utility>

#include "serve/endpoints.hpp"

namespace gyre::serve {
namespace {

using Labels = std::vector<std::pair<const char*, std::string>>;

/// Lines of Prometheus' text form: what a number is, then its values.
class MetricLines {
 public:
  void head(std::string_view name, std::string_view type, std::string_view help) {
    text_ += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
  }
  template <typename Number>
  void value(std::string_view name, const Labels& labels, Number number) {
    text_ += name;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      text_ += fmt::format("{}{}=\"{}\"", i == 0 ? "{" : ",", labels[i].first, escaped(labels[i].second));
    }
    text_ += fmt::format("{} {}\n", labels.empty() ? "" : "}", number);
  }
  template <typename Number>
  void one(std::string_view name, std::string_view type, std::string_view help, Number number) {
    head(name, type, help);
    value(name, {}, number);
  }
  void histogram(const std::string& name, std::string_view help, const Histogram& histogram) {
    const Histogram::Counts counts = histogram.counts();
    head(name, "histogram", help);
    for (std::size_t i = 0; i < counts.up_to.size(); ++i) {
      const std::string bound = i < histogram.bounds().size() ? fmt::format("{}", histogram.bounds()[i]) : "+Inf";
      value(fmt::format("{}_bucket", name), {{"le", bound}}, counts.up_to[i]);
    }
    value(fmt::format("{}_sum", name), {}, counts.sum);
    value(fmt::format("{}_count", name), {}, counts.up_to.back());
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

void add_counters(const Totals& totals, MetricLines& lines) {
  lines.one("llamacpp:prompt_tokens_total", "counter", "Tokens of prompts that were run.", totals.prompt_tokens.load());
  lines.one("llamacpp:tokens_predicted_total", "counter", "Tokens generated.", totals.tokens.load());
  lines.one("llamacpp:prompt_seconds_total", "counter", "Seconds that texts spent on their prompts, summed.",
            totals.prompt_time.counts().sum);
  lines.one("llamacpp:tokens_predicted_seconds_total", "counter", "Seconds from first tokens to ends, summed.",
            totals.decode_time.counts().sum);
  lines.one("vllm:prompt_tokens_total", "counter", "Tokens of prompts that were run.", totals.prompt_tokens.load());
  lines.one("vllm:generation_tokens_total", "counter", "Tokens generated.", totals.tokens.load());
  lines.head("vllm:request_success_total", "counter", "Texts that ended, by why they did.");
  lines.value("vllm:request_success_total", {{"finished_reason", "stop"}}, totals.stopped.load());
  lines.value("vllm:request_success_total", {{"finished_reason", "length"}}, totals.cut.load());
  lines.one("gyre:requests_total", "counter", "Requests for texts that were taken.", totals.requests.load());
  lines.one("gyre:requests_refused_total", "counter", "Those that found no room in the queue.", totals.refused.load());
  lines.one("gyre:requests_cancelled_total", "counter", "Those whose client went away.", totals.cancelled.load());
  lines.one("gyre:requests_failed_total", "counter", "Those that ended with an error.", totals.failed.load());
  lines.one("gyre:cached_tokens_total", "counter", "Tokens of prompts that need not be run.",
            totals.cached_tokens.load());
  lines.one("gyre:steps_total", "counter", "Runs of one loop of one group.", totals.steps.load());
  lines.one("gyre:layer_passes_total", "counter", "Passes of layers over their weights.", totals.layer_passes.load());
  lines.one("gyre:layer_rows_total", "counter", "Tokens that shared them, summed.", totals.layer_rows.load());
}

void add_histograms(const Totals& totals, MetricLines& lines) {
  lines.histogram("vllm:time_to_first_token_seconds", "From a request to its first token.", totals.first_token);
  lines.histogram("vllm:time_per_output_token_seconds", "Between two tokens of a text.", totals.token_time);
  lines.histogram("vllm:e2e_request_latency_seconds", "From a request to the end of a text.", totals.text_time);
  lines.histogram("vllm:request_prefill_time_seconds", "From its place to the first token of a text.",
                  totals.prompt_time);
  lines.histogram("vllm:request_decode_time_seconds", "From its first token to the end of a text.", totals.decode_time);
  lines.histogram("vllm:request_prompt_tokens", "Tokens of prompts.", totals.prompt_length);
  lines.histogram("vllm:request_generation_tokens", "Tokens of texts that ended.", totals.text_length);
  lines.histogram("gyre:loop_batch_width", "Tokens that ran a loop of a group together.", totals.loop_width);
}

/// What a texts' keys and values take, those that are shared counted for each.
void add_memory(const Service& service, MetricLines& lines) {
  const std::vector<LaneState> lanes = service.engine.look();
  const auto each = [&](const char* name, const char* help, auto number) {
    lines.head(name, "gauge", help);
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      if (service.models[i].encoder()) continue;
      lines.value(name, {{"model", service.models[i].name}}, number(lanes[i]));
    }
  };
  const auto sum = [](std::size_t TextState::*field) {
    return [field](const LaneState& lane) {
      std::size_t all = 0;
      for (const TextState& text : lane.texts) all += text.*field;
      return all;
    };
  };
  each("gyre:kv_pages", "Pages of keys and values of the texts that run.", sum(&TextState::kv_pages));
  each("gyre:kv_bytes", "Bytes of these.", sum(&TextState::kv_bytes));
  each("gyre:prefix_entries", "Beginnings of texts that are kept.", [](const LaneState& lane) { return lane.kept; });
  each("gyre:prefix_bytes", "Bytes of their keys and values.", [](const LaneState& lane) { return lane.kept_bytes; });
}

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

/// llama.cpp's and vLLM's names where they mean the same.
void show_metrics(const Service& service, Exchange& exchange) {
  const Load load = service.engine.load();
  MetricLines lines;
  lines.one("llamacpp:requests_processing", "gauge", "Texts that run.", load.running);
  lines.one("llamacpp:requests_deferred", "gauge", "Requests that wait for a place.", load.waiting);
  lines.one("vllm:num_requests_running", "gauge", "Texts that run.", load.running);
  lines.one("vllm:num_requests_waiting", "gauge", "Requests that wait for a place.", load.waiting);
  add_counters(service.totals, lines);
  add_histograms(service.totals, lines);
  add_memory(service, lines);
  add_loops(service, lines);
  exchange.response.status = 200;
  exchange.response.set_content(lines.text(), "text/plain; version=0.0.4");
}

}  // namespace gyre::serve
